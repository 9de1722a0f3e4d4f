"""Studies of several cases, and parts of others: stopped at any moment, the end is the same."""

import random
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import cli
from experiments.data.images import load
from experiments.errors import InputError
from experiments.report.verdict import Verdict
from experiments.runs import checkpoint
from experiments.runs.checkpoint import Checkpoints
from experiments.runs.folder import MANIFEST, PROGRESS, UNFINISHED
from experiments.runs.interrupts import Interrupts
from experiments.studies import STUDIES, command
from experiments.studies.design import Arm, Case, Design, accuracy, more, perceptron
from experiments.studies.run import Study, prepare
from experiments.studies.settings import Settings
from experiments.training import step, sweep
from tests.experiments.conftest import EPOCHS
from tests.experiments.runs.test_resume import contents, kill_when, press_after
from tests.experiments.runs.test_verify import nudge


def design(_):
    """Two cases, the second of which is probed."""
    data = load("digits", 60, 90)
    low, high = ({"none": Arm(), "some": Arm({"post*": rate})} for rate in (0.2, 0.7))
    network = perceptron(data, (12, 8))
    cases = {"low": Case(network, data, low), "high": Case(network, data, high, PROBED)}
    return Design(cases, [more("some over none", accuracy("low", "some"), accuracy("low", "none"))])


def length(trained, data, key):
    del data, key
    squares = [jnp.square(leaf).sum() for leaf in jax.tree.leaves(trained.params)]
    return {"length": jnp.sqrt(jnp.stack(squares).sum())}


PROBED = {"probe": length}
REAL = ["run", "inference", "--smoke", "--checkpoint-every", "0"]
MADE = SimpleNamespace(
    __name__="made",
    CLAIM="half is better",
    DEFAULTS=Settings(train_size=60, test_size=90, epochs=EPOCHS, batch_size=20, seeds=2),
    design=design,
)


def study_of(module):
    return Study(module.CLAIM, module.DEFAULTS, partial(prepare, module))


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """A study among the others, that calls of one epoch train."""
    monkeypatch.setitem(STUDIES, "made", study_of(MADE))
    monkeypatch.setattr(sweep, "CALL", 0)


def run(folder, *arguments):
    return cli.main(["run", "made", "--output", str(folder), *arguments])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keeping") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STUDIES, "made", study_of(MADE))
        run(folder)
    return contents(folder)


@pytest.mark.parametrize(("calls", "where"), [
    (1, f"epoch 1 of {EPOCHS}, in chunk 1 of 1 of case 1 of 2"),
    (EPOCHS, "chunk 1 of 1 of case 1 of 2"),
    (EPOCHS + 2, f"epoch 2 of {EPOCHS}, in chunk 1 of 1 of case 2 of 2"),
    (2 * EPOCHS, "chunk 1 of 1 of case 2 of 2"),
])  # fmt: skip
def test_a_study_is_resumed_in_the_case_it_was_in(
    tmp_path, whole, monkeypatch, capsys, calls, where
):
    with monkeypatch.context() as patch:
        press_after(patch, calls)
        with pytest.raises(KeyboardInterrupt, match=f"Interrupted after {where}"):
            run(tmp_path)
    trained, again = [], step.train
    monkeypatch.setattr(step, "train", lambda *a: trained.append(1) or again(*a))
    status = cli.main(["resume", str(tmp_path), "--strict"])
    verdict = capsys.readouterr().out.splitlines()[-1].removeprefix("verdict: ")
    assert status == Verdict(verdict).status(strict=True)
    assert len(trained) == 2 * EPOCHS - calls
    assert contents(tmp_path) == whole


def test_the_length_is_one_of_the_results(whole):
    header, *rows = whole["results.csv"].decode().splitlines()
    assert header.endswith(",length")
    assert [row.rpartition(",")[2] != "" for row in rows] == [False] * 4 + [True] * 4


def test_a_study_is_verified_by_all_of_its_cases(tmp_path, whole, monkeypatch, capsys):
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    assert cli.main(["verify", str(tmp_path)]) == 0
    monkeypatch.setattr(step, "train", nudged(step.train))
    assert cli.main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.endswith(
        "first thing that differs: epoch 2, case high, arm none, seed 0 (in history.csv)."
    )


def nudged(whole):
    """The second case goes another way from its second block on."""

    def other(plan, state, problem, rows, first, stop):
        state = whole(plan, state, problem, rows, first, stop)
        if plan.probe is None or stop != 2:
            return state
        return state._replace(params=nudge(state.params, 1.000001))

    return other


def test_all_goes_on_where_it_was(tmp_path, whole, monkeypatch, capsys):
    again = SimpleNamespace(**vars(MADE) | {"__name__": "again"})
    studies = {"made": STUDIES["made"], "again": study_of(again)}
    monkeypatch.setattr(command, "STUDIES", studies)
    every = ["run", "all", "--output", str(tmp_path)]
    with monkeypatch.context() as patch:
        press_after(patch, 2 * EPOCHS + 2)
        with pytest.raises(KeyboardInterrupt):
            cli.main(every)
    assert cli.main(every) == 2
    assert "Pass --overwrite" in capsys.readouterr().err
    cli.main([*every, "--resume"])
    said = capsys.readouterr().out
    assert f"Nothing to do: the run in {tmp_path / 'made'}" in said
    assert said.splitlines()[-1].startswith("verdict: made ")
    assert contents(tmp_path / "made") == whole
    assert contents(tmp_path / "again")["results.csv"] == whole["results.csv"]
    assert cli.main([*every, "--resume", "--overwrite"]) == 2


TREE = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x"])}


def store(folder, run="run"):
    folder.mkdir(exist_ok=True)
    (folder / UNFINISHED).write_text(run)
    return Checkpoints(folder, 0, Interrupts())


def flip(content):
    content[len(content) // 2] ^= 1


def cut(content):
    del content[len(content) // 2 :]


def test_a_part_is_made_once(tmp_path):
    kept_in, made = store(tmp_path), []
    for _ in range(2):
        kept = kept_in.part("one", lambda: made.append(1) or TREE)
        assert all(np.array_equal(kept[name], TREE[name]) for name in TREE)
    assert made == [1]


@pytest.mark.parametrize("damage", [flip, cut, bytearray.clear])
def test_a_damaged_part_is_made_again(tmp_path, capsys, damage):
    path = tmp_path / "one.npz"
    checkpoint.write(path, TREE, "one")
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    assert checkpoint.read(path, "one") is None
    assert "one.npz is damaged" in capsys.readouterr().err


def changed(tree):
    return {**tree, "a": tree["a"] + 1}


def renamed(tree):
    return {{"a": "c"}.get(name, name): array for name, array in tree.items()}


@pytest.mark.parametrize("other", [changed, renamed])
def test_a_part_of_other_arrays_is_not_what_its_digest_says(tmp_path, capsys, other):
    checkpoint.write(tmp_path / "one.npz", TREE, "one")
    with np.load(tmp_path / "one.npz") as file:
        arrays = other(dict(file))
    np.savez(tmp_path / "one.npz", **arrays)
    assert checkpoint.read(tmp_path / "one.npz", "one") is None
    assert "not what its digest says" in capsys.readouterr().err


def test_a_part_of_another_is_not_taken_for_it(tmp_path, capsys):
    for run, name in (("run", "one"), ("run", "two"), ("another", "one")):
        store(tmp_path / run, run).part(name, lambda: TREE)
    good = (tmp_path / "run" / PROGRESS / "one.npz").read_bytes()
    for other in (tmp_path / "run" / PROGRESS / "two.npz",
                  tmp_path / "another" / PROGRESS / "one.npz"):  # fmt: skip
        other.write_bytes(good)
        made = store(other.parents[1], other.parents[1].name).part(
            other.stem, lambda: {"a": np.array(["again"])}
        )
        assert made["a"].tolist() == ["again"]
    assert capsys.readouterr().err.count("not what its digest says") == 2


def test_a_disk_that_is_full_before_the_last_case_ends_the_run(tmp_path, monkeypatch, capsys):
    def full(path, *_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", full)
        assert run(tmp_path) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / MANIFEST).exists()


def test_chunks_of_a_study_are_as_large_as_asked():
    for chunk, sizes in ((None, [48, 48]), (16, [16, 16])):
        made = prepare(MADE, replace(MADE.DEFAULTS, seeds=20, chunk=chunk))
        layouts = made.head.layouts.values()
        assert [layout.chunk * layout.group for layout in layouts] == sizes


def test_all_refuses_what_is_of_another_study_or_of_other_settings(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "STUDIES", {"made": STUDIES["made"]})
    every = ["run", "all", "--resume", "--output", str(tmp_path)]
    assert run(tmp_path / "made", "--seed", "1") in (0, 1, 3)
    assert cli.main(every) == 2
    assert "to hold a run of made with these settings; got another" in capsys.readouterr().err


def test_a_full_disk_says_how_to_go_on(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "put", full)
    kept_in = store(tmp_path)
    assert kept_in.part("one", lambda: TREE).keys() == TREE.keys()
    with pytest.raises(InputError, match=r"No space left .* make room, then .* resume"):
        kept_in.part("two", lambda: pytest.fail("It was made."))


@pytest.mark.slow
def test_no_kill_loses_a_study(tmp_path):
    """A real one of several cases, killed outright at five moments."""
    begun, moments = time.monotonic(), random.Random(0)
    kill_when(tmp_path / "whole", lambda _: False, REAL)
    whole, length = contents(tmp_path / "whole"), time.monotonic() - begun
    for number in range(5):
        folder, stop = tmp_path / str(number), length * moments.random()
        kill_when(folder, lambda seconds, stop=stop: seconds > stop, REAL)
        begun = (folder / MANIFEST).exists() or (folder / UNFINISHED).exists()
        again = ["resume", str(folder)] if begun else [*REAL, "--output", str(folder)]
        assert cli.main(again) in (0, 3)
        assert contents(folder) == whole, f"killed after {stop:.2f} of {length:.2f} seconds"
