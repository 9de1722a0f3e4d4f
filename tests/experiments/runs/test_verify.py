"""A run is broken in every way that a verification has to name, and in each it names that way."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from experiments import cli
from experiments.runs import execute
from experiments.training import inputs, step
from tests.conftest import DEVICES
from tests.experiments.conftest import save


@pytest.fixture
def run(compared, tmp_path):
    return Path(shutil.copytree(compared[0], tmp_path / "run"))


def edit(run, change):
    manifest = json.loads((run / "manifest.json").read_text())
    change(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))


def untrained(monkeypatch):
    monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("It trained."))


def test_a_run_that_was_left_alone_is_identical(run, capsys):
    assert cli.main(["verify", str(run)]) == 0
    assert "Identical, bit for bit" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["results.csv", "history.csv", "config.json", "curves.svg"])
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_file_that_was_tampered_with_is_named_without_training(
    run, capsys, monkeypatch, name, how
):
    untrained(monkeypatch)
    (run / name).unlink()
    if how == "changed":
        (run / name).write_bytes((run.parent / "run" / "manifest.json").read_bytes())
    assert cli.main(["verify", str(run)]) == 1
    assert f"first thing that differs: {name}" in capsys.readouterr().out


def test_results_that_were_tampered_with_along_with_their_digest(run, capsys):
    tampered = (run / "results.csv").read_bytes().replace(b"0.", b"0.9", 1)
    (run / "results.csv").write_bytes(tampered)
    digest = hashlib.sha256(tampered).hexdigest()
    edit(run, lambda manifest: manifest["sha256"].update({"results.csv": digest}))
    assert cli.main(["verify", str(run)]) == 1
    assert "results.csv (its digest is right" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["curves.svg", "report.html", "verdict.json", "config.json"])
def test_any_file_that_was_tampered_with_along_with_its_digest(run, capsys, name):
    tamper(run, name, (run / name).read_bytes() + b" ")
    assert cli.main(["verify", str(run)]) == 1
    assert f"first thing that differs: {name} (its digest is right" in capsys.readouterr().out


def tamper(run, name, content):
    (run / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit(run, lambda manifest: manifest["sha256"].update({name: digest}))


def test_a_file_that_no_run_writes(run, capsys):
    tamper(run, "more.csv", b"1")
    assert cli.main(["verify", str(run)]) == 1
    assert "first thing that differs: more.csv" in capsys.readouterr().out


def test_a_file_without_a_digest(run, capsys):
    edit(run, without("sha256", "verdict.json"))
    assert cli.main(["verify", str(run)]) == 1
    assert "first thing that differs: verdict.json" in capsys.readouterr().out


def test_another_environment_excuses_no_other_configuration(run, capsys):
    edit(run, another_jax)
    tamper(run, "config.json", b"{}")
    assert cli.main(["verify", str(run)]) == 1
    assert "config.json (which is the same in every environment)" in capsys.readouterr().out


def test_another_environment_excuses_no_accuracies_that_are_far_off(run, capsys):
    edit(run, another_jax)
    *rows, last = (run / "results.csv").read_text().splitlines()
    *cells, accuracy, nll = last.split(",")
    for shift, status in ((0.04, 3), (0.06, 1)):
        moved = ",".join([*cells, str(float(accuracy) + shift), nll])
        tamper(run, "results.csv", "\n".join([*rows, moved, ""]).encode())
        assert cli.main(["verify", str(run)]) == status


def test_another_data_file(run, capsys, monkeypatch, compared):
    untrained(monkeypatch)
    file = compared[0].parent / "set.npz"
    before = file.read_bytes()
    try:
        save(file, scale=1.001)
        assert cli.main(["verify", str(run)]) == 1
    finally:
        file.write_bytes(before)
    assert "first thing that differs: the data" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["keys", "batches", "masks"])
def test_other_draws(run, capsys, monkeypatch, name):
    untrained(monkeypatch)
    draw = inputs.digests
    monkeypatch.setattr(inputs, "digests", lambda *a: draw(*a) | {name: "other"})
    assert cli.main(["verify", str(run)]) == 1
    assert f"first thing that differs: the {name}" in capsys.readouterr().out


def test_other_initial_parameters(run, capsys, monkeypatch):
    start = step.start
    monkeypatch.setattr(step, "start", lambda *a: nudge(start(*a)))
    assert cli.main(["verify", str(run)]) == 1
    assert "first thing that differs: the initial parameters" in capsys.readouterr().out


@jax.jit
def nudge(state, factor=1.0001):
    return jax.tree.map(lambda leaf: (leaf * factor).astype(leaf.dtype), state)


def divert(monkeypatch, factor):
    """Training goes another way from the second block on."""
    whole = step.train

    def other(plan, state, problem, rows, first, stop):
        state = whole(plan, state, problem, rows, first, stop)
        return nudge(state, factor) if stop == 2 else state

    monkeypatch.setattr(step, "train", other)


def test_the_first_block_that_diverges(run, capsys, monkeypatch):
    divert(monkeypatch, 1.000001)
    assert cli.main(["verify", str(run)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "first thing that differs: epoch 2, placement " in said
    assert "(in history.csv)." in said


def another_jax(manifest):
    manifest["environment"]["versions"]["jax"] = "0.9.9"


def test_another_version_excuses_rounding(run, capsys, monkeypatch):
    divert(monkeypatch, 1.000001)
    edit(run, another_jax)
    assert cli.main(["verify", str(run)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "jax 0.9.9 → " in said
    assert "differs from epoch 2" in said
    assert "As far as results.csv and history.csv tell in another environment" in said


def test_another_version_excuses_no_more_than_the_tolerance(run, capsys, monkeypatch):
    divert(monkeypatch, 5.0)
    edit(run, another_jax)
    assert cli.main(["verify", str(run)]) == 1
    assert "by more than tolerated" in capsys.readouterr().out


def inputs_of(manifest):
    return manifest["cases"]["networks"]["inputs"]


def test_another_version_excuses_no_other_masks(run, capsys, monkeypatch):
    untrained(monkeypatch)
    edit(run, another_jax)
    edit(run, lambda manifest: inputs_of(manifest).update(masks="other"))
    assert cli.main(["verify", str(run)]) == 1
    assert "the masks" in capsys.readouterr().out


def test_a_compiler_flag_is_another_environment(run, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"] + " --xla_cpu_enable_fast_math=true")
    assert cli.main(["verify", str(run)]) == 3


def test_a_flag_that_changes_no_bit_is_none(run, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"] + " --xla_dump_to=/nowhere")
    assert cli.main(["verify", str(run)]) == 0


def told_of_devices(said, count):
    assert f"device_count 8 → {count}" in said
    assert "data, batches and masks are the same" in said


def test_another_count_of_devices(run, monkeypatch, capsys):
    (one, *_) = jax.devices()
    monkeypatch.setattr(jax, "devices", lambda: [one])
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    assert cli.main(["verify", str(run)]) == 3
    told_of_devices(capsys.readouterr().out, 1)


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["1", "2"])
def test_another_count_of_devices_in_another_process(run, devices):
    flags = os.environ["XLA_FLAGS"].replace(DEVICES, "").strip()
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": devices, "XLA_FLAGS": flags}
    command = [sys.executable, "-m", "experiments", "verify", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 3, done.stderr
    told_of_devices(done.stdout, devices)


ENTRIES = {
    "config": (lambda m: m["config"]["arms"].update(seed=77), "the config in"),
    "command": (lambda m: m["command"].extend(["--seed", "77"]), "the command in"),
    "prng": (lambda m: m.update(prng="rbg"), "the prng in"),
    "layout": (lambda m: m["cases"]["networks"]["layout"].update(chunk=16), "the layout of"),
}


@pytest.mark.parametrize(("change", "named"), ENTRIES.values(), ids=ENTRIES)
def test_entries_of_the_manifest(run, capsys, monkeypatch, change, named):
    untrained(monkeypatch)
    edit(run, change)
    assert cli.main(["verify", str(run)]) == 1
    assert f"first thing that differs: {named}" in capsys.readouterr().out


def test_a_pipe_is_not_waited_for(run, capsys):
    (run / "results.csv").unlink()
    os.mkfifo(run / "results.csv")
    assert cli.main(["verify", str(run)]) == 1
    assert "results.csv" in capsys.readouterr().out


def escape(name):
    return lambda manifest: manifest["sha256"].update({name: "0"})


def without(*path):
    def change(manifest):
        for name in path[:-1]:
            manifest = manifest[name]
        del manifest[path[-1]]

    return change


def setting(value, *path):
    def change(manifest):
        for name in path[:-1]:
            manifest = manifest[name]
        manifest[path[-1]] = value

    return change


def words(*more):
    return lambda manifest: manifest["command"].extend(more)


BAD = {
    "above": (escape("../set.npz"), "'../set.npz'"),
    "absolute": (escape("/etc/passwd"), "'/etc/passwd'"),
    "dots": (escape(".."), "'..'"),
    "windows": (escape("..\\x"), "names of files"),
    "surrogate": (escape("\ud800"), "JSON is malformed"),
    "long": (escape("x" * 300), "names of files"),
    "ghost": (lambda m: m["outcomes"].update(ghost=m["outcomes"]["networks"]), "outcomes of"),
    "no results": (without("sha256", "results.csv"), "results.csv under sha256"),
    "no cases": (setting({}, "cases"), "cases ['networks']"),
    "no outcomes": (setting({}, "outcomes"), "outcomes of the cases"),
    "no layout": (without("cases", "networks", "layout"), "missing required field `layout`"),
    "other command": (setting(["bench"], "command"), "manifest of compare or of a study"),
    "no words": (setting("compare", "command"), "$.command"),
    "no number": (words("--seeds", "two"), "manifest of compare or of a study"),
    "help": (words("--help"), "manifest of compare or of a study"),
    "a rate": (words("--rates", "1.5"), "--rates in [0, 1]; got 1.5"),
    "other seeds": (
        setting(3, "cases", "networks", "layout", "seeds"),
        "layout of 2 arms of 2 seeds",
    ),
    "no chunk": (setting(0, "cases", "networks", "layout", "chunk"), "chunk of 1 or more"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_a_malformed_manifest_is_one_message(run, capsys, change, message):
    edit(run, change)
    assert cli.main(["verify", str(run)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert message in said
    assert said.startswith("error: Expected")


def test_a_link_out_of_the_folder_is_refused(run, capsys):
    (run / "results.csv").rename(run.parent / "results.csv")
    (run / "results.csv").symlink_to(run.parent / "results.csv")
    assert cli.main(["verify", str(run)]) == 2
    assert "a link" in capsys.readouterr().err


def test_an_unfinished_run_is_to_be_resumed_first(run, capsys):
    (run / "manifest.json").rename(run / "unfinished.json")
    assert cli.main(["verify", str(run)]) == 2
    assert f"python -m experiments resume {run}" in capsys.readouterr().err
