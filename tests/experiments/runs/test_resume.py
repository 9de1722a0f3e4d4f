"""Runs are stopped in every way there is, and end in the bytes of one that was not stopped."""

import gc
import json
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import pytest
from filelock import FileLock

from experiments import cli
from experiments.report.files import as_json
from experiments.runs import checkpoint, resume
from experiments.runs.folder import LOCK, MANIFEST, PROGRESS, UNFINISHED
from experiments.training import step, sweep
from tests.experiments.conftest import EPOCHS, SMALL

COMPARE = ["compare", *SMALL, "--checkpoint-every", "0"]
CHECKPOINTS = Path(PROGRESS, "chunk 1 of 1")
IGNORED = pytest.mark.filterwarnings(
    "ignore:.*never awaited", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def orbax_leaves_things(test):
    """Undone, when it fails: they go before another test begins, which would be warned of them."""
    return IGNORED(pytest.mark.usefixtures("collected")(test))


@pytest.fixture
def collected():
    gc.freeze()  # what was there before is not gone through
    yield
    gc.collect()
    gc.unfreeze()


def compare(folder, *arguments):
    return cli.main([*COMPARE, "--output", str(folder), *arguments])


def go_on(folder):
    return cli.main(["resume", str(folder), "--checkpoint-every", "0"])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume") / "run"
    assert compare(folder) == 0
    return contents(folder)


@pytest.fixture
def interrupted(monkeypatch):
    """A function that runs into Ctrl-C after some calls, and returns the folder and the message."""

    def interrupt(folder, calls, *arguments):
        with monkeypatch.context() as patch:
            press_after(patch, calls)
            with pytest.raises(KeyboardInterrupt) as stop:
                compare(folder, *arguments)
        return folder, str(stop.value)

    return interrupt


@pytest.fixture(scope="module")
def halfway(tmp_path_factory):
    """A run that Ctrl-C ended after four epochs, each a call."""
    folder = tmp_path_factory.mktemp("halfway") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "CALL", 0)
        press_after(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            compare(folder)
    return folder


@pytest.fixture
def stopped(halfway, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(halfway, tmp_path / "run"))


def press_after(patch, calls):
    """Ctrl-C in a call of the training; returns a list that grows with every call."""
    count, whole = [], step.train

    def one_more(*arguments):
        count.append(1)
        if len(count) == calls:
            os.kill(os.getpid(), signal.SIGINT)
        return whole(*arguments)

    patch.setattr(step, "train", one_more)
    return count


@pytest.mark.parametrize("calls", [1, 4, EPOCHS])
def test_ctrl_c_takes_a_checkpoint_and_the_run_ends_as_if_nothing_had_been(
    tmp_path, whole, interrupted, calls, monkeypatch, capsys
):
    monkeypatch.setattr(sweep, "CALL", 0)  # one epoch a call
    folder, message = interrupted(tmp_path / "run", calls)
    after = f"epoch {calls} of {EPOCHS}" if calls < EPOCHS else "chunk 1 of 1"
    assert f"Interrupted after {after}" in message
    trained, again = [], step.train
    monkeypatch.setattr(step, "train", lambda *a: trained.append(1) or again(*a))
    assert f"resume {folder}" in message
    assert (folder / UNFINISHED).exists()
    assert go_on(folder) == 0
    assert len(trained) == EPOCHS - calls
    assert contents(folder) == whole
    assert "Interrupted: a checkpoint" in capsys.readouterr().err


def test_a_second_ctrl_c_waits_for_nothing(tmp_path, monkeypatch, whole):
    def twice(*_):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("It went on.")

    with monkeypatch.context() as patch:
        patch.setattr(step, "train", twice)
        with pytest.raises(KeyboardInterrupt, match="resume"):
            compare(tmp_path)
    assert go_on(tmp_path) == 0
    assert contents(tmp_path) == whole


def test_ctrl_c_has_status_130(tmp_path, monkeypatch, capsys):
    press_after(monkeypatch, 1)
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "8")
    monkeypatch.setattr("sys.argv", ["experiments", *COMPARE, "--output", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("experiments", run_name="__main__")
    assert stop.value.code == 130
    assert f"resume {tmp_path / 'run'}" in capsys.readouterr().err


def test_the_last_few_checkpoints_are_kept(halfway):
    steps = sorted(int(path.name) for path in (halfway / CHECKPOINTS).iterdir())
    assert steps == [2, 3, 4]


def test_checkpoints_are_taken_by_time(tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(checkpoint.Checkpoints, "_save", lambda self, at: taken.append(at.epoch))
    monkeypatch.setattr(sweep, "CALL", 0)
    assert compare(tmp_path / "often") == 0
    assert taken == [0, 1, 2, 3, 4, 5]
    taken.clear()
    assert compare(tmp_path / "seldom", "--checkpoint-every", "3600") == 0
    assert taken == []


def files_of(folder, step):
    files = (folder / CHECKPOINTS / str(step)).rglob("*")
    return sorted((path for path in files if path.is_file()), key=lambda path: path.stat().st_size)


def flip(folder, step):
    """In the middle of the largest file: where the weights are."""
    path = files_of(folder, step)[-1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(folder, step):
    path = files_of(folder, step)[-1]
    os.truncate(path, path.stat().st_size // 2)


def lose_metadata(folder, step):
    for path in files_of(folder, step):
        if path.name in ("_METADATA", "manifest.ocdbt"):
            path.unlink()


def swap(folder, step):
    """A checkpoint that is whole, but of another moment."""
    (folder / CHECKPOINTS / str(step)).rename(folder / "aside")
    (folder / CHECKPOINTS / str(step - 1)).rename(folder / CHECKPOINTS / str(step))
    (folder / "aside").rename(folder / CHECKPOINTS / str(step - 1))


@orbax_leaves_things
@pytest.mark.parametrize("damage", [flip, truncate, lose_metadata, swap])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(
    whole, stopped, damage, monkeypatch, capsys
):
    monkeypatch.setattr(sweep, "CALL", 0)
    damage(stopped, 4)
    assert go_on(stopped) == 0
    assert "warning: the checkpoint 4" in capsys.readouterr().err
    assert contents(stopped) == whole


@orbax_leaves_things
def test_without_any_good_checkpoint_it_begins_anew(whole, stopped):
    for at in (2, 3, 4):
        flip(stopped, at)
    assert go_on(stopped) == 0
    assert contents(stopped) == whole


@orbax_leaves_things
def test_a_full_disk_is_one_error_and_leaves_what_was_written(tmp_path, whole, monkeypatch, capsys):
    """The system refuses files above a limit, as it would on a full disk, from the third on."""
    import resource

    save, saved = checkpoint.Checkpoints._save, []
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(self, position):
        saved.append(position.epoch)
        if position.epoch == 3:
            self._orbax.wait_until_finished()
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
        save(self, position)

    monkeypatch.setattr(sweep, "CALL", 0)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoints, "_save", fill_up)
        try:
            assert compare(tmp_path) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    said = capsys.readouterr().err
    assert "error: Expected to write a checkpoint" in said
    assert f"resume {tmp_path}" in said
    assert "Traceback" not in said
    assert {"1", "2"} <= {path.name for path in (tmp_path / CHECKPOINTS).iterdir()}
    assert go_on(tmp_path) == 0
    assert contents(tmp_path) == whole


def test_a_full_disk_at_the_report_costs_no_results(tmp_path, whole, monkeypatch, capsys):
    replace = os.replace

    def full(draft, path):
        if path.suffix in (".csv", ".npz"):
            raise OSError(28, "No space left on device")
        replace(draft, path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert compare(tmp_path) == 2
    said = capsys.readouterr()
    assert "No space left on device" in said.err
    assert "Where should dropout stand?" in said.out
    assert go_on(tmp_path) == 0
    assert contents(tmp_path) == whole


def test_an_unfinished_run_is_not_replaced_by_accident(stopped, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "run", lambda *_: pytest.fail("It trained."))
    assert compare(stopped) == 2
    said = capsys.readouterr().err
    assert f"resume {stopped}" in said
    assert "--overwrite" in said


def test_an_unfinished_run_is_replaced_if_asked_to(tmp_path, interrupted, whole):
    folder, _ = interrupted(tmp_path, 1, "--seed", "5")
    assert compare(folder, "--overwrite") == 0
    assert contents(folder) == whole


@pytest.mark.parametrize("command", [compare, go_on])
def test_a_second_process_is_refused(stopped, command, capsys):
    before = contents_below(stopped)
    with FileLock(stopped / PROGRESS / LOCK):
        arguments = ["--overwrite"] if command is compare else []
        assert command(stopped, *arguments) == 2
    assert "another process" in capsys.readouterr().err
    (stopped / PROGRESS / LOCK).unlink()
    assert contents_below(stopped) == before


def contents_below(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_nothing_is_to_be_done_for_a_finished_run(tmp_path, whole, capsys):
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / CHECKPOINTS).mkdir(parents=True)  # killed while it cleared these away
    assert go_on(tmp_path) == 0
    assert "finished" in capsys.readouterr().out
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("content", ["{}", "", '{"sha256": {"x": "0"}, "command": "theirs"}'])
def test_a_folder_of_someone_elses_is_left_alone(tmp_path, content, capsys):
    (tmp_path / MANIFEST).write_text(content)
    (tmp_path / PROGRESS).mkdir()
    (tmp_path / PROGRESS / "theirs").write_text("x")
    before = contents_below(tmp_path)
    assert go_on(tmp_path) == 2
    assert capsys.readouterr().err.startswith("error: Expected")
    assert contents_below(tmp_path) == before


@pytest.mark.parametrize("place", [".", "chunk 1 of 1"])
def test_links_out_of_the_folder_are_refused(tmp_path, stopped, place, capsys):
    path = stopped / PROGRESS / place
    path.mkdir(exist_ok=True)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    before = contents_below(tmp_path / "elsewhere")
    assert go_on(stopped) == 2
    assert "got a link to elsewhere" in capsys.readouterr().err
    assert contents_below(tmp_path / "elsewhere") == before


def test_another_commit_is_warned_of_and_written_down(stopped, monkeypatch, capsys):
    here = resume.environment()
    monkeypatch.setattr(resume, "environment", lambda: replace(here, commit="other"))
    assert go_on(stopped) == 0
    assert "warning: the code is of another commit" in capsys.readouterr().err
    commit = json.loads((stopped / MANIFEST).read_text())["environment"]["commit"]
    assert commit == f"{here.commit}, then other"


def test_another_environment_is_refused(stopped, monkeypatch, capsys):
    monkeypatch.setattr(resume, "go_on", lambda *_: pytest.fail("It went on."))
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"] + " --xla_cpu_enable_fast_math=true")
    assert go_on(stopped) == 2
    assert (
        "the environment that the run began in; got another: XLA_FLAGS" in capsys.readouterr().err
    )


def test_other_data_are_refused(stopped, capsys):
    head = json.loads((stopped / UNFINISHED).read_text())
    head["cases"]["networks"]["inputs"]["data"] = "other"
    (stopped / UNFINISHED).write_bytes(as_json(head))
    assert go_on(stopped) == 2
    assert "what the run began with; got other: the data of networks" in capsys.readouterr().err


@pytest.mark.parametrize("there", ["nothing", "empty", "text"])
def test_what_is_no_run_is_refused(tmp_path, there, capsys):
    if there == "text":
        (tmp_path / UNFINISHED).write_text("{")
    folder = tmp_path / "absent" if there == "nothing" else tmp_path
    assert go_on(folder) == 2
    assert capsys.readouterr().err.startswith("error: Expected")
    assert not (tmp_path / "absent").exists()


def kill_when(folder, moment, arguments=COMPARE):
    """Starts a command in a process, and kills it outright at a moment."""
    command = [sys.executable, "-m", "experiments", *arguments, "--output", str(folder)]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(jax.device_count())}
    with subprocess.Popen(command, env=environment, **quiet) as process:
        begun = time.monotonic()
        while process.poll() is None and not moment(time.monotonic() - begun):
            time.sleep(0.005)
        process.kill()


def finish(folder):
    """Whatever was there: a run, an unfinished one, or nothing yet."""
    known = (folder / MANIFEST).exists() or (folder / UNFINISHED).exists()
    assert (go_on(folder) if known else compare(folder)) == 0


def writing(folder, pattern):
    return lambda seconds: any(folder.glob(pattern))


@pytest.mark.parametrize(
    "pattern",
    [f"{CHECKPOINTS}/*", pytest.param("*results.csv*", marks=pytest.mark.slow)],
)
def test_no_kill_loses_a_run(tmp_path, whole, pattern):
    """As its first checkpoint appears, and in the middle of the report."""
    kill_when(tmp_path, writing(tmp_path, pattern))
    assert not (tmp_path / MANIFEST).exists()
    finish(tmp_path)
    assert contents(tmp_path) == whole


@pytest.mark.slow
def test_no_kill_at_any_of_20_moments_loses_a_run(tmp_path, whole):
    begun = time.monotonic()
    kill_when(tmp_path / "timed", lambda _: False)
    length, moments = time.monotonic() - begun, random.Random(0)
    for number in range(20):
        folder, stop = Path(tmp_path, str(number)), length * moments.random()
        kill_when(folder, lambda seconds, stop=stop: seconds > stop)
        finish(folder)
        assert contents(folder) == whole, f"killed after {stop:.2f} of {length:.2f} seconds"
