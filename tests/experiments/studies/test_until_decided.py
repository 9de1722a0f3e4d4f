"""Looks: seeds are added in groups until the claim is decided, and what was there stays."""

import csv
import json

import numpy as np
import pytest

from experiments import cli
from experiments.errors import InputError
from experiments.report.intervals import spread
from experiments.report.verdict import Verdict
from experiments.studies import STUDIES, claim, command
from experiments.studies.claim import Finding
from experiments.studies.design import Contrast
from experiments.studies.run import hurry
from experiments.studies.settings import Settings
from tests.experiments.report.test_intervals import crossed

SMALL = (
    "--dataset digits --train-size 60 --test-size 90 --epochs 2 --batch-size 20 --seeds 2".split()
)
MARGIN, LOOKS, PARTS = 0.3, (3, 6, 12, 24), 4


def test_looks_come_after_twice_as_many_seeds():
    assert Settings(seeds=8).looks == [8]
    assert Settings(seeds=8, until_decided=True).looks == [8, 16, 32, 64]
    assert Settings(seeds=3, until_decided=True, most_seeds=10).looks == [3, 6, 10]


@pytest.fixture(autouse=True)
def hurried():
    """So what a smoke run of the study compiles fits."""
    hurry(smoke=True)


def ran(folder, *more):
    assert cli.main(["run", "where", *SMALL, *more, "--output", str(folder)]) in (0, 1, 3)
    return list(csv.DictReader((folder / "results.csv").read_text().splitlines()))


def test_seeds_are_added_until_no_more_would_help(tmp_path, capsys):
    few = ran(tmp_path / "few")
    more = ran(tmp_path / "more", "--until-decided", "--most-seeds", "6")
    said = capsys.readouterr().out
    assert "After 2 seeds" in said
    assert {row["seed"] for row in more} == {*map(str, range(6))}
    kept = [row for row in more if int(row["seed"]) < 2]
    assert kept == few
    assert cli.main(["verify", str(tmp_path / "more")]) == 0
    losses = {row["seed"]: row["test NLL"] for row in more if row["arm"] == "none"}
    assert len({*losses.values()}) == 6  # no seed is trained at two looks
    page = (tmp_path / "more" / "report.html").read_text()
    assert "Seeds: 6 (looks after 2, 4, 6)" in page
    assert f"{100 - 5 / (2 * 3):.2f} %" in page  # of each of two parts, at each of three looks


def test_what_is_decided_at_the_first_look_stops_there(tmp_path, capsys):
    wide = ["--until-decided", "--most-seeds", "4", "--margin", "1e9"]
    assert {row["seed"] for row in ran(tmp_path / "run", *wide)} == {"0", "1"}
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert [*manifest["cases"]] == ["mlp, look 1", "mlp, look 2"]
    assert [*manifest["outcomes"]] == ["mlp, look 1"]
    assert cli.main(["verify", str(tmp_path / "run")]) == 0
    assert "0 of 2 parts of the claim are open" in capsys.readouterr().out


@pytest.mark.parametrize("more", [[], ["--smoke"]])
def test_most_seeds_that_nothing_asks_for_are_refused(tmp_path, capsys, more):
    arguments = ["run", "rate", "--most-seeds", "64", "--output", str(tmp_path / "run"), *more]
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert "Expected --until-decided with --most-seeds; got the latter alone" in said
    assert "Add --until-decided" in said
    assert not (tmp_path / "run").exists()


def test_the_usual_most_seeds_are_refused_nowhere_and_others_stand_with_what_asks(monkeypatch):
    monkeypatch.setattr(command, "execute", lambda *_: Verdict.OPEN)
    monkeypatch.setattr(command.Asked, "prepare", lambda *_: None)
    for words in ("", "--smoke", "--smoke --until-decided --most-seeds 32"):
        assert command.run(["alpha", *words.split()]) == 0


def test_one_seed_cannot_decide():
    with pytest.raises(InputError, match=r"got 1 and 64\. Raise --seeds\."):
        Settings(seeds=1, until_decided=True)


def test_most_seeds_are_no_fewer_than_the_first(tmp_path, capsys):
    arguments = ["--until-decided", "--seeds", "8", "--most-seeds", "4"]
    assert cli.main(["run", "where", *arguments, "--output", str(tmp_path / "run")]) == 2
    assert "--most-seeds of at least the 8 --seeds; got 8 and 4" in " ".join(
        capsys.readouterr().err.split()
    )


def test_all_studies_can_go_on_until_they_are_decided(tmp_path, monkeypatch):
    asked = []

    def execute(runnable, *_):
        asked.append(" ".join(runnable.head.command))
        return Verdict.OPEN

    monkeypatch.setattr(command, "execute", execute)
    studies = {name: STUDIES[name] for name in ("where", "uncertainty")}
    monkeypatch.setattr(command, "STUDIES", studies)
    everything = ["run", "all", "--smoke", "--until-decided", "--output", str(tmp_path / "runs")]
    assert cli.main(everything) == 0
    assert asked == ["run where --until-decided --smoke", "run uncertainty --smoke"]


def stopped(random, truth, of_seeds, of_images, rest):
    """A contrast of a population, looked at until it is decided: the last finding."""
    ends, level = LOOKS, claim.level(PARTS, len(LOOKS))
    table = truth + crossed(random, ends[-1], 300, of_seeds, of_images, rest)

    def look(end):
        part = spread(table[:end].mean(1), table[:end])
        return Finding(Contrast("", {}), float(table[:end].mean()), part, level, MARGIN)

    found = (look(end) for end in ends)
    last = look(ends[-1])
    return next((one for one in found if not one.can_be_closed), last)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0, MARGIN, -MARGIN, 2 * MARGIN, 3.0])
@pytest.mark.parametrize("parts", [(1.0, 3.0, 5.0), (2.0, 1.0, 0.0), (0.1, 3.0, 25.0)], ids=str)
def test_looking_again_and_again_decides_wrongly_in_at_most_5_percent(truth, parts):
    """One part of PARTS has 1.25 % to spend: of 2,000 runs at most 42, a false alarm in 1,000."""
    wrong = {
        0: {Verdict.SUPPORTED, Verdict.REFUTED},
        MARGIN: {Verdict.REFUTED},
        -MARGIN: {Verdict.SUPPORTED},
    }.get(truth, {Verdict.REFUTED, Verdict.NO_DIFFERENCE})
    random = np.random.default_rng(round(10 * truth) + 100)
    found = [stopped(random, truth, *parts) for _ in range(2000)]
    assert sum(one.verdict in wrong for one in found) <= 42
    assert sum(abs(one.mean - truth) > one.interval.half for one in found) <= 42
