"""The uncertainty study: its data, its scores against scikit-learn, its verdict, a smoke run."""

import csv
import json
import os
import re
import signal
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from experiments import cli
from experiments.errors import InputError
from experiments.report.verdict import Verdict, together
from experiments.studies.claim import verdict
from experiments.studies.uncertainty import (
    data,
    figures,
    measure,
    network,
    report,
)
from experiments.studies.uncertainty.measure import TITLES, Passes
from experiments.training import fit
from experiments.training.keys import seed_keys
from tests.experiments.telling import telling


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """A finished run, its status, and what was told of it meanwhile."""
    folder = tmp_path_factory.mktemp("uncertainty") / "run"
    with telling() as told:
        status = cli.main(["run", "uncertainty", "--smoke", "--output", str(folder)])
    return folder, status, told


def test_a_run_tells_the_epoch_and_how_much_is_done(smoke):
    told = smoke[2]
    assert "Training digits: 3 seeds × 2 members, epoch 10 of 10" in told
    assert "Sampling, seed 3 of 3" in told
    assert "Training the regression: 2 members, epoch 100 of 100" in told
    assert list(told.values()) == sorted(told.values())
    assert (min(told.values()), max(told.values())) == (0, 1)


def test_a_smoke_run_is_whole_and_decides_nothing(smoke):
    folder, status, _ = smoke
    assert status == 0
    names = {path.name for path in folder.iterdir()}
    pictures = {f"{name}.svg" for name in
                ("reliability", "entropies", "rejection", "samples", "regression")}  # fmt: skip
    tables = {"config.json", "results.csv", "verdict.json", "manifest.json"}
    assert names == {*tables, "report.html", *pictures}
    assert json.loads((folder / "config.json").read_text())["smoke"] is True
    page = (folder / "report.html").read_text()
    assert page.count("data:image/svg") == 5
    drawn = "".join((folder / name).read_text() for name in pictures)
    assert "mathdefault" not in drawn  # of ticks that nobody formatted
    assert "On corrupted digits confidence is nearest to accuracy with " in page
    assert "Open." in page
    assert "<h1>SMOKE" in page


def test_a_run_is_verified(smoke, capsys):
    assert cli.main(["verify", str(smoke[0])]) == 0
    assert "Identical, bit for bit." in capsys.readouterr().out


def test_networks_that_are_kept_are_not_trained_again(smoke, tmp_path, monkeypatch):
    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return whole(*arguments)

    whole = measure.passes
    with monkeypatch.context() as patch:
        patch.setattr(measure, "passes", interrupted)
        with pytest.raises(KeyboardInterrupt, match="what was done is kept"):
            cli.main(["run", "uncertainty", "--smoke", "--output", str(tmp_path)])
    monkeypatch.setattr(fit, "fit", lambda *_: pytest.fail("They are there."))
    assert cli.main(["resume", str(tmp_path)]) == 0
    assert contents(tmp_path) == contents(smoke[0])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_results_have_a_row_for_each_arm_count_and_seed(smoke):
    with (smoke[0] / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    counts = {"deterministic": [1], "MC dropout": [1, 2, 4, 8], "ensemble": [1, 2]}
    wanted = [(arm, str(n), str(seed)) for arm in counts for n in counts[arm] for seed in range(3)]
    assert [(row["arm"], row["passes"], row["seed"]) for row in rows] == wanted
    assert all(0.5 < float(row["accuracy"]) <= 1 for row in rows)  # of 8 classes: it has learned
    alone = [row for row in rows if row["passes"] == "1"]
    same = {"deterministic": [], "ensemble": [], "MC dropout": []}
    for row in alone:
        same[row["arm"]].append([row[name] for name in TITLES])
    assert same["deterministic"] == same["ensemble"]  # the first member is the network itself
    assert same["deterministic"] != same["MC dropout"]


def test_data_keep_unseen_classes_out_of_training():
    digits = data.load((3, 5), 200)
    assert len(digits.y_train) == 200
    assert sorted(set(digits.y_train.tolist())) == sorted(set(digits.y_test.tolist()))
    assert digits.classes == 8
    assert len(digits.x_train) + len(digits.x_test) + len(digits.x_unseen) == 1797
    there = {image.tobytes() for image in digits.x_train}
    assert not any(image.tobytes() in there for image in digits.x_unseen)


def test_each_corruption_is_what_it_says():
    images = np.random.default_rng(1).uniform(0.1, 1, size=(30, 64)).astype(np.float32)
    corrupted = data.corrupt(images)
    noisy, hidden, turned = (corrupted[kind::3] for kind in range(3))
    assert ((noisy >= 0) & (noisy <= 1)).all()
    assert ((hidden == 0).sum(1) == 16).all()
    kept = hidden != 0
    np.testing.assert_array_equal(hidden[kept], images[1::3][kept])
    square = images[2::3].reshape(-1, 8, 8)
    np.testing.assert_array_equal(turned.reshape(-1, 8, 8), np.rot90(square, axes=(1, 2)))


def softmax(rng, *shape):
    values = np.exp(2 * rng.normal(size=shape))
    return (values / values.sum(-1, keepdims=True)).astype(np.float32)


def test_scores_are_those_of_scikit_learn():
    rng, digits = np.random.default_rng(0), data.load((8, 9), 400)  # as many as in a run
    sets = digits.x_test, digits.x_corrupted, digits.x_unseen
    passes = Passes(*(softmax(rng, 3, len(images), 8) for images in sets))
    labels = rng.integers(0, 8, size=len(digits.y_test))
    scores, test = measure.scores(passes, labels), passes.test.mean(0)
    entropy = [-(part.mean(0) * np.log(part.mean(0))).sum(-1) for part in passes]
    assert scores["nll"] == pytest.approx(
        log_loss(labels, test / test.sum(-1, keepdims=True)), 1e-4
    )
    foreign = np.repeat([0, 1], [len(labels), len(digits.x_unseen)])
    auroc = roc_auc_score(foreign, np.concatenate([entropy[0], entropy[2]]))
    assert scores["unseen_auroc"] == pytest.approx(auroc, abs=1e-6)
    pooled = np.concatenate([test, passes.corrupted.mean(0)])
    wrong = pooled.argmax(-1) != np.tile(labels, 2)
    auroc = roc_auc_score(wrong, np.concatenate(entropy[:2]))
    assert scores["wrong_auroc"] == pytest.approx(auroc, abs=1e-6)


def test_counts():
    assert measure.counts(8, 2) == [1, 2, 4, 8]
    assert measure.counts(12, 3) == [1, 2, 3, 4, 8, 12]
    assert measure.counts(512, 16) == [2**power for power in range(10)]


def table(**shifts):
    noise = 0.001 * np.random.default_rng(0).normal(size=8)
    base = {name: np.zeros(8) for name in TITLES}
    moved = {name: noise + shifts.get(name, 0.0) for name in TITLES}
    return {("deterministic", 1): base, ("MC dropout", 512): moved}


BETTER = {"ece": -0.1, "nll": -0.1, "unseen_auroc": 0.1, "corrupted_auroc": 0.1}


@pytest.mark.parametrize(("shifts", "expected"), [
    (BETTER, Verdict.SUPPORTED),
    ({**BETTER, "nll": 0.0}, Verdict.OPEN),
    ({**BETTER, "nll": 0.1}, Verdict.REFUTED),
    ({**BETTER, "unseen_auroc": -0.1}, Verdict.REFUTED),
    ({}, Verdict.OPEN),
    ({**BETTER, "ece": np.nan}, Verdict.OPEN),
])  # fmt: skip
def test_the_verdict_follows_from_the_intervals(shifts, expected):
    assert verdict(report.primary(table(**shifts), 512)) is expected


def test_the_words_say_which_half_holds():
    said = report.in_words(
        report.primary(table(**{**BETTER, "nll": 0.1, "unseen_auroc": 0.0}), 512)
    )
    assert re.findall(r"([+-]\S+) ± \S+ \((\w+)\)", said) == [
        ("-0.0996", "better"), ("+0.1004", "worse"), ("+0.0004", "open"), ("+0.1004", "better")
    ]  # fmt: skip
    assert said.endswith("Better calibrated: refuted; detects better: open.")


@pytest.mark.parametrize(("shifts", "says"), [
    (BETTER, "AUROC of unseen classes of MC dropout less deterministic: +0.1"),
    ({**BETTER, "ece": 0.2}, "calibration error of MC dropout less deterministic: +0.2"),
    ({**BETTER, "nll": 0.3}, "NLL of MC dropout less deterministic: +0.3"),
])  # fmt: skip
def test_one_number_tells_how_large_the_finding_is(shifts, says):
    said = report.in_one(report.primary(table(**shifts), 512))
    assert said.startswith(says)
    assert said.endswith("(better)" if shifts is BETTER else "(worse)")


@pytest.mark.parametrize(("verdicts", "status"), [
    ([], 3), ([Verdict.AGREE], 0), ([Verdict.AGREE, Verdict.OPEN], 3),
    ([Verdict.OPEN, Verdict.REFUTED], 1), ([Verdict.SUPPORTED, Verdict.AGREE], 0),
    ([Verdict.DISAGREE, Verdict.SUPPORTED], 1),
])  # fmt: skip
def test_the_status_of_several(verdicts, status):
    assert together(verdicts, strict=True) == status


def test_the_status_of_several_counts_checks_alone_unless_it_is_strict():
    assert together([Verdict.REFUTED, Verdict.OPEN], strict=False) == 0
    assert together([Verdict.REFUTED, Verdict.DISAGREE], strict=False) == 1


SURE, UNSURE = np.array([0.9, 0.1]), np.array([0.6, 0.4])
LABELS = np.arange(40) % 2


def seeds(of_test, of_corrupted, of_unseen):
    """Two, in which each arm gives each set one answer for half of its images, or the other's.

    It is right in as many images as it is told.
    """

    def images(answer, right):
        picked = np.where(np.arange(40) < right, LABELS, 1 - LABELS)
        return np.where(picked[:, None] == 0, answer, answer[::-1])[None]

    sets = zip(of_test, of_corrupted, of_unseen, strict=True)
    passes = {arm: Passes(*(images(*of) for of in each))
              for arm, each in zip(measure.ARMS, sets, strict=True)}  # fmt: skip
    return [passes, passes]


GOOD, POOR, VAGUE = (SURE, 36), (SURE, 20), (UNSURE, 25)
BEST_ARM = [(0, "deterministic"), (1, "MC dropout"), (2, "ensemble")]


def given(arm, own, others):
    """To each arm."""
    return [own if index == arm else others for index in range(3)]


@pytest.mark.parametrize(("arm", "name"), BEST_ARM)
def test_the_title_of_reliability_names_the_arm_that_is_nearest(arm, name):
    made = seeds([GOOD] * 3, given(arm, VAGUE, POOR), [GOOD] * 3)
    found = figures.reliability(made, LABELS, "").alt
    start = f"On corrupted digits confidence is nearest to accuracy with {name}: -2.5 points; "
    assert found.startswith(start)
    assert found.count("+40.0") == 2
    assert found.endswith("On test digits: deterministic +0.0, MC dropout +0.0, ensemble +0.0.")
    worse = figures.reliability(seeds([POOR] * 3, [GOOD] * 3, [GOOD] * 3), LABELS, "").alt
    assert worse.endswith("deterministic +40.0, MC dropout +40.0, ensemble +40.0.")


@pytest.mark.parametrize(("arm", "name"), BEST_ARM)
def test_the_title_of_entropies_names_the_arm_that_tells_most_apart(arm, name):
    made = seeds([GOOD] * 3, [GOOD] * 3, given(arm, VAGUE, GOOD))
    found = figures.entropies(made, [made[0]["ensemble"]] * 2, "").alt
    start = f"Mean entropy sets unseen digits furthest from test digits with {name}: +0.35 nats; "
    assert found.startswith(start)
    assert f"{name} 0.33, 0.33, 0.67" in found
    assert found.count("0.33, 0.33, 0.33") == 2


@pytest.mark.parametrize(("arm", "name"), BEST_ARM)
def test_the_title_of_rejection_names_the_arm_that_is_right_most_often(arm, name):
    made = seeds(given(arm, (SURE, 40), GOOD), [VAGUE] * 3, [GOOD] * 3)
    found = figures.rejection(made, LABELS, "").alt
    assert found.startswith(f"With 50 % rejected, {name} gets most of the rest right: 100.0 %; ")
    assert f"{name} 81.2 to " in found
    assert found.count(" 76.2 to ") == 2


@pytest.mark.parametrize(("last", "says"), [(0.3, "raise"), (0.1, "lower")])
def test_the_title_of_passes_says_where_they_lead(last, says):
    rows = {("deterministic", 1): 0.2, ("MC dropout", 1): 0.2, ("MC dropout", 8): last,
            ("ensemble", 1): 0.2}  # fmt: skip
    made = {row: dict.fromkeys(TITLES, np.full(3, value)) for row, value in rows.items()}
    found = figures.samples(made, "").alt
    assert found.startswith(
        f"More passes {says} MC dropout's calibration error: 0.200 after 1, {last:.3f} after 8. "
    )
    assert f"MC dropout after 8: calibration error {last:.3f} ± 0.000, NLL {last:.3f} ± " in found


def test_the_title_of_the_regression_names_what_spreads_most():
    grid = network.GRID
    narrow, wide = (np.outer([-1, 1], 1 + slope * abs(grid)) for slope in (0.0, 1.0))
    for functions, name in (((narrow, wide), "ensemble"), ((wide, narrow), "MC dropout")):
        named: dict[str, np.ndarray] = {"MC dropout": functions[0], "ensemble": functions[1]}
        found = figures.regression(network.Curves(grid, grid, named), "").alt
        assert found.startswith(f"Away from all data {name} spreads ")
        assert f"{name} 7.00, 7.00" in found


def test_intervals_of_shares_end_where_nothing_is_possible_beyond():
    rising = {name: 0.99 + 0.005 * np.arange(3) for name in TITLES}
    rows = [("deterministic", 1), ("MC dropout", 2), ("MC dropout", 8), ("ensemble", 2)]
    found = report.measures(dict.fromkeys(rows, rising), 8, 2)
    texts = {cells[0].text: cells[1].text for cells in found.cells}
    assert texts["accuracy ↑"] == "0.9950 (0.9826 to 1.0000)"
    assert texts["NLL"] == "0.9950 ± 0.0124"


def test_tied_masks_make_a_function_of_a_key():
    params = [(np.ones((2, 16)), np.zeros(16)), (np.ones((16, 1)), np.zeros(1))]
    given: Any = params, np.ones((5, 2)), 0.5
    predict = partial(network.predict, *given)
    key = jax.random.key(0)
    found = jax.jit(lambda key: (predict(key, tied=True), predict(key), predict()))(key)
    assert [len(np.unique(each)) > 1 for each in found] == [False, True, False]


def test_uncertainty_grows_away_from_the_data():
    found = network.curves(seed_keys(0, 1)[0], 2, 64, 300)
    fit = np.interp(found.x, network.GRID, found.functions["MC dropout"].mean(0))
    assert np.square(fit - found.y).mean() < 0.25 * found.y.var()
    assert network.growth(found.functions["MC dropout"]) > 1.5


BAD = {
    "one seed": (["--seeds", "1"], "--seeds of 2 or more"),
    "one member": (["--members", "1"], "--members of 2 or more"),
    "more members than samples": (["--members", "9", "--samples", "8"], "--members of at most 8"),
    "rate": (["--rate", "0"], "--rate in (0, 1)"),
    "no epoch": (["--epochs", "0"], "--epochs of 1 to"),
    "many seeds": (["--seeds", "99999999999"], "at most 10,000 networks"),
    "many epochs": (["--epochs", "9999999999"], "--epochs of 1 to"),
    "many samples": (["--samples", "99999999999"], "--samples of at most 10,000"),
    "no width": (["--widths", "0"], "--widths of 1 or more"),
    "seed": (["--seed", "-1"], "a --seed from 0"),
    "no unseen class": (["--unseen"], "in --unseen"),
    "no such class": (["--unseen", "10"], "in --unseen"),
    "all unseen": (["--unseen", *map(str, range(10))], "in --unseen"),
    "too few images": (["--train-size", "7"], "a --train-size from 8"),
    "too many images": (["--train-size", "1797"], "a --train-size from 8 to 1435"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_message_and_status_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fit, "fit", lambda *_: pytest.fail("It trained."))
    assert cli.main(["run", "uncertainty", *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_leaves_too_few_images_is_refused():
    with pytest.raises(InputError, match="--train-size"):
        data.load((0, 1, 2, 3, 4, 5, 6, 7), 1000)
