import base64
import csv
import json
import math
import os
import re
import runpy
import sys

import jax
import numpy as np
import pytest

from experiments import cli
from experiments.report.verdict import Verdict
from experiments.studies import STUDIES, command
from experiments.training import sweep
from experiments.training.evaluate import Measurement
from experiments.training.task import Metrics
from tests.experiments.tiny import ARGUMENTS, RATES


def run(*arguments):
    return cli.main(["compare", *ARGUMENTS, "--rates", *map(str, RATES), *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "first"
    assert run("--seeds", "2", "--output", str(path)) == 0
    return path


def test_a_run_folder_explains_itself(folder):
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "results.csv",
        "history.csv",
        "manifest.json",
        "curves.svg",
        "accuracy.svg",
        "differences.svg",
        "report.html",
        "verdict.json",
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["command"][:2] == ["compare", "--rates"]
    assert manifest["prng"] == "threefry2x32"
    assert {"jax", "flax", "numpy", "python"} <= manifest["environment"]["versions"].keys()
    assert manifest["environment"]["device_count"] == jax.device_count()
    config = json.loads((folder / "config.json").read_text())
    assert config["network"] == {"widths": [12, 8], "activation": "relu"}
    assert manifest["config"] == config


def test_results_have_a_row_for_each_arm_and_seed(folder):
    with (folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (1 + 7 * 2) * 2
    assert (rows[0]["placement"], rows[0]["rate"], rows[1]["seed"]) == ("none", "0.0", "1")
    assert all(0 <= float(row["test_accuracy"]) <= 1 < float(row["test_nll"]) for row in rows)


@pytest.mark.parametrize("name", ["curves.svg", "accuracy.svg", "differences.svg"])
def test_figures_are_pictures_that_say_what_came_out(folder, name):
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", (folder / name).read_text())
    assert {"input", "logits"} <= {text.partition(",")[0] for text in texts}
    assert any(re.match("Best|Highest|Training ends", text) for text in texts)
    assert (folder / name).read_text() in page_of(folder)


def page_of(folder):
    """The figures that a page shows."""
    held = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", (folder / "report.html").read_text())
    return [base64.b64decode(one).decode() for one in held]


def test_the_history_ends_with_the_results(folder):
    with (folder / "history.csv").open() as file:
        rows = list(csv.reader(file))
    results = (folder / "results.csv").read_text().splitlines()
    assert [row[0] for row in rows[1:]] == [epoch for epoch in "123" for _ in results[1:]]
    assert [",".join(row[1:]) for row in rows[-len(results) + 1 :]] == results[1:]


def test_another_seed_gives_other_results(folder, tmp_path):
    assert run("--seeds", "2", "--seed", "1", "--output", str(tmp_path)) == 0
    assert (tmp_path / "results.csv").read_bytes() != (folder / "results.csv").read_bytes()


def test_the_same_command_gives_the_same_bytes_and_prints_a_table(folder, tmp_path, capsys):
    assert run("--seeds", "2", "--output", str(tmp_path)) == 0
    for name in ("results.csv", "history.csv", "config.json", "curves.svg", "accuracy.svg"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    printed = capsys.readouterr().out
    assert "★" in printed
    assert "identical, to the last bit" in printed
    written, finding = printed.splitlines()[-2:]
    assert written == f"Written to {tmp_path}"
    assert finding == json.loads((folder / "verdict.json").read_text())["words"]
    assert finding.startswith("Best: ")
    assert " points against none (" in finding
    assert "n = 2 seeds" in printed
    drawn = "60 training (drawn by each seed from a pool of 1,707) and 90 test examples"
    assert drawn in " ".join(printed.split())
    score = re.compile(r"(\S+) (?:± |\(0\.00 to )")
    table = [line for line in printed.splitlines() if score.search(line) and "points" not in line]
    assert not any("…" in line for line in table)
    accuracies = [float(score.findall(line)[0]) for line in table[:15]]
    assert len(accuracies) == 15
    assert accuracies == sorted(accuracies, reverse=True)


def run_untrained(monkeypatch, seeds, ends, *arguments):
    """As if this had come out of training."""
    table = seeds, 1 + 7 * 2
    metrics = Metrics(*np.linspace(0.5, 0.9, 4 * math.prod(table)).reshape(4, *table))
    states, images = np.zeros(table, np.uint32), np.zeros((*table, 9))
    found = Measurement(metrics, images={"test_accuracy": images, "test_nll": images})
    history = sweep.History(states, [sweep.Block(found, states)] * ends)
    monkeypatch.setattr(sweep, "run", lambda *_: history)
    return run(*arguments)


def test_from_one_seed_nothing_is_concluded(tmp_path, capsys, monkeypatch):
    assert run_untrained(monkeypatch, 1, 3, "--seeds", "1", "--output", str(tmp_path)) == 0
    printed = capsys.readouterr().out
    assert "± n/a" in printed
    assert "No conclusion from one seed" in printed
    assert "★" not in printed
    assert "Best" not in printed


BAD = {
    "data set": (["--dataset", "cifar"], "digits, mnist5k, mnist, fashion_mnist"),
    "file": (["--dataset", "nothing.npz"], "nothing.npz"),
    "placement": (["--placements", "everywhere"], "'input-and-hidden'"),
    "only none": (["--placements", "none"], "besides none"),
    "no placement": (["--placements"], "besides none"),
    "high rate": (["--rates", "0.1", "1.5"], "--rates in [0, 1]; got 1.5"),
    "low rate": (["--rates", "-0.1"], "--rates in [0, 1]; got -0.1"),
    "nan rate": (["--rates", "nan"], "--rates in [0, 1]; got nan"),
    "no rate": (["--rates"], "at least one rate"),
    "no seeds": (["--seeds", "0"], "--seeds of 1 or more; got 0"),
    "negative seed": (["--seed", "-1"], "--seed from 0"),
    "no epochs": (["--epochs", "0"], "--epochs of 1 or more"),
    "no batch": (["--batch-size", "-5"], "--batch-size of 1 or more; got -5"),
    "no units": (["--widths", "12", "0"], "--widths of 1 or more"),
    "no layers": (["--widths"], "at least one hidden layer"),
    "learning rate": (["--learning-rate", "0"], "--learning-rate above 0"),
    "infinite rate": (["--learning-rate", "inf"], "--learning-rate above 0"),
    "weight decay": (["--weight-decay", "-1"], "--weight-decay of 0 or more"),
    "large batch": (["--batch-size", "61"], "at most the 60 training images; got 61"),
    "all train": (["--split", "fixed", "--train-size", "1797"], "below 1797"),
    "activation": (["--activation", "swish"], "'gelu'"),
    "no number": (["--seeds", "many"], "many"),
    "output": (["--output", "/dev/null/run"], "/dev/null/run"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_message_and_status_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "run", lambda *_: pytest.fail("It trained."))
    try:
        status = run(*arguments)
    except SystemExit as stop:  # what the parser itself refuses
        status = stop.code
    said = capsys.readouterr()
    assert status == 2
    assert message in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_replaced_only_if_asked_to(tmp_path, monkeypatch, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "run", lambda *_: pytest.fail("It trained."))
        assert run("--output", str(tmp_path)) == 2
    assert "--overwrite" in capsys.readouterr().err
    again = "--seeds", "2", "--overwrite", "--output", str(tmp_path)
    assert run_untrained(monkeypatch, 2, 3, *again) == 0
    assert "sha256" in json.loads((tmp_path / "manifest.json").read_text())


def test_the_default_folder_is_named_after_what_is_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_untrained(monkeypatch, 2, 3, "--seeds", "2") == 0
    assert (tmp_path / "runs" / "compare-digits-relu" / "manifest.json").exists()


def test_a_smoke_comparison_is_no_result(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_untrained(monkeypatch, 2, 2, "--smoke", "--seeds", "8") == 0
    said = capsys.readouterr()
    assert "With --smoke compare takes seconds." in said.err
    assert "SMOKE, which is no result." in said.out
    assert "Seeds: 2, from 0." in said.out
    assert "Best" not in said.out
    assert said.out.splitlines()[-1] == "No conclusion from a smoke run."
    folder = tmp_path / "runs" / "compare-digits-relu-smoke"
    assert "<h1>SMOKE" in (folder / "report.html").read_text()
    assert cli.main(["report", str(folder)]) == 2
    assert "a smoke run, which is no result" in capsys.readouterr().out


def test_an_interruption_leaves_an_unfinished_run_and_has_status_130(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "run", interrupted)
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "8")  # or it would be set for the tests that follow
    output = tmp_path / "run"
    words = [*ARGUMENTS, "--rates", *map(str, RATES), "--seeds", "2", "--output", str(output)]
    monkeypatch.setattr("sys.argv", ["experiments", "compare", *words])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("experiments", run_name="__main__")
    assert stop.value.code == 130
    assert f"resume {output}" in capsys.readouterr().err
    assert [path.name for path in output.iterdir()] == ["unfinished.json"]


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    options = "dataset widths activation placements rates seeds epochs learning-rate batch-size"
    for option in [*options.split(), "weight-decay", "train-size", "seed", "output", "overwrite"]:
        assert f"--{option}" in shown


@pytest.mark.parametrize(("command", "words", "got", "near"), [
    ("compare", "--ratse 0.1", "--ratse", " Did you mean --rates?"),
    ("compare", "--rates 0.1 --epocs=3", "--epocs", " Did you mean --epochs?"),
    ("bench", "--repeat 3", "--repeat", " Did you mean --repeats?"),
    ("resume", "--strictt run", "--strictt", " Did you mean --strict?"),
    ("run rate", "-epochs 3", "-epochs", " Did you mean --epochs?"),
    ("run uci", "--data_dri x", "--data_dri", " Did you mean --data-dir?"),
    ("run dropconnect", "--colour red", "--colour", ""),
    ("run rate", "--rates 0.1", "--rates", ""),
    ("compare", "--strict", "--strict", ""),
])  # fmt: skip
def test_a_misspelt_option_is_one_line(capsys, command, words, got, near):
    assert cli.main([*command.split(), *words.split()]) == 2
    name, see = command.split()[-1], f"See python -m experiments {command} --help."
    expected = f"error: Expected an option of {name}; got {got}.{near} {see}"
    assert capsys.readouterr().err.splitlines() == [expected]


def test_a_reader_that_has_enough_is_no_error(monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    with monkeypatch.context() as patch, os.fdopen(writer, "w") as stdout:
        patch.setenv("JAX_NUM_CPU_DEVICES", "8")
        patch.setattr(sys, "argv", ["experiments", "list"])
        patch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as stop:
            runpy.run_module("experiments", run_name="__main__")
    assert (stop.value.code, capsys.readouterr().err) == (141, "")


def test_a_misspelt_command_is_one_line(capsys):
    assert cli.main(["comapre", "--smoke"]) == 2
    said = "error: Expected a command; got 'comapre'. Did you mean compare?"
    assert capsys.readouterr().err.splitlines() == [said]


def helped(capsys, *command):
    """What the help of a command shows, its frames and line breaks aside."""
    with pytest.raises(SystemExit):
        cli.main([*command, "--help"])
    shown = capsys.readouterr().out
    return " ".join(re.sub("[─│╭╮╰╯]", " ", shown).split())


COMMANDS = [["compare"], ["bench"], ["report"], ["resume"], ["verify"], ["run"], ["run", "all"]]


@pytest.mark.parametrize("words", [*COMMANDS, *(["run", name] for name in STUDIES)], ids=" ".join)
def test_help_shows_nothing_of_the_code(capsys, words):
    shown = helped(capsys, *words)
    assert "default: None" not in shown
    assert "config" not in shown


def test_help_of_run_shows_every_claim_and_that_of_a_study_how_long_it_takes(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = helped(capsys, "run")
    for study in STUDIES.values():
        assert study.claim[1:] in shown
    shown = helped(capsys, "run", "alpha")
    assert f"{STUDIES['alpha'].claim[1:]}?" in shown
    assert f"Takes {STUDIES['alpha'].takes}." in shown


def test_help_of_a_study_speaks_of_that_study(capsys):
    epochs, text, images = (
        helped(capsys, "run", it) for it in ("convergence", "recurrent", "rate")
    )
    assert "that matters, in epochs. (default: 0.5)" in epochs
    assert "that matters, in nats a character. (default: 0.01)" in text
    assert "or the path of a .txt file" in text
    assert "by default 20, or all" in text
    assert ".npz" not in text
    assert ".txt" not in images
    assert "in percentage points. (default: 0.3)" in images


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_says_how_long_it_takes(name):
    assert re.match(r"(about|under) (a minute|\d+ minutes) on two cores", STUDIES[name].takes)


def test_list_prints_what_is_typed_with_its_claim_and_how_long_it_takes(capsys):
    assert cli.main(["list"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [name.replace("-", "_") for name, *_ in rows] == [*STUDIES]
    claim = STUDIES["stochastic_depth"].claim
    assert ["stochastic-depth", claim, "about 5 minutes on two cores"] in rows


def test_a_smoke_run_goes_into_a_folder_of_its_own(monkeypatch, capsys, tmp_path):
    folders = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.Asked, "prepare", lambda *_: None)
    monkeypatch.setattr(command, "execute", lambda _, folder, *rest: folders.append(folder) or OPEN)
    monkeypatch.setattr(command, "STUDIES", {"where": STUDIES["where"]})
    assert cli.main(["run", "where", "--smoke"]) == 0
    assert "With --smoke where takes seconds." in capsys.readouterr().err
    assert cli.main(["run", "where"]) == 0
    said = capsys.readouterr()
    assert "With its usual settings where takes about 2 minutes on two cores, " in said.err
    assert said.out.splitlines()[-1] == f"verdict: {OPEN.value}"
    assert cli.main(["run", "all", "--smoke", "--output", "mine"]) == 0
    assert [str(folder) for folder in folders] == [
        "runs/where-smoke",
        "runs/where",
        "mine/where-smoke",
    ]


OPEN = Verdict.OPEN


@pytest.mark.parametrize(("verdict", "plain", "strict"), [
    (Verdict.SUPPORTED, 0, 0), (Verdict.REFUTED, 0, 1), (OPEN, 0, 3),
    (Verdict.AGREE, 0, 0), (Verdict.DISAGREE, 1, 1), (Verdict.UNPUBLISHED, 3, 3),
])  # fmt: skip
def test_a_run_that_is_done_exits_with_0_but_for_checks_and_if_it_is_strict(
    monkeypatch, tmp_path, verdict, plain, strict
):
    monkeypatch.setattr(command, "execute", lambda *_: verdict)
    monkeypatch.setattr(command.Asked, "prepare", lambda *_: None)
    where = ["run", "where", "--output", str(tmp_path / "run")]
    assert (cli.main(where), cli.main([*where, "--strict"])) == (plain, strict)


@pytest.mark.parametrize(
    ("command", "kind"), [("verify", "a finished"), ("resume", "an unfinished")]
)
@pytest.mark.parametrize(("name", "got"), [
    ("nope", "the folder of a run; got nope, which is not there. Name a folder that a run was"),
    ("notes.md", "the folder of a run; got notes.md, which is a file. Name a folder that a"),
    ("empty", "{} run in empty; got none. Begin one with compare, or with run STUDY."),
])  # fmt: skip
def test_what_is_no_run_is_named_with_the_fix(
    command, kind, name, got, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / "empty").mkdir()
    assert cli.main([command, name]) == 2
    assert f"error: Expected {got.format(kind)}" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "notes.md"]


@pytest.mark.parametrize("command", ["verify", "resume", "report"])
@pytest.mark.parametrize("name", ["1" * 400, "a\0b"], ids=["long", "null"])
def test_a_name_that_no_file_can_have_is_one_message(command, name, tmp_path, capsys):
    more = ["--output", str(tmp_path / "atlas")] if command == "report" else []
    assert cli.main([command, name, *more]) == 2
    assert "error: Expected" in capsys.readouterr().err
