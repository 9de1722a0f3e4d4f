"""Chunks: what comes out does not depend on them, and they bound the memory."""

import jax
import numpy as np
import pytest
from flax import nnx

from experiments import cli
from experiments.errors import InputError
from experiments.models import Perceptron
from experiments.runs.folder import PROGRESS
from experiments.training import memory, sweep
from experiments.training.chunks import choose
from experiments.training.task import Plan
from tests.experiments import tiny
from tests.experiments.runs.test_resume import contents, press_after

MANY = "--train-size 20 --test-size 20 --widths 2 --epochs 1 --batch-size 20 --placements input"
COMPARE = ["compare", *MANY.split(), "--rates", "0.2", "0.4", "0.6", "--seeds", "60"]


def compare(folder, *arguments):
    return cli.main([*COMPARE, "--chunk", "32", "--output", str(folder), *arguments])


def plan(*sizes, batch_size=50):
    return Plan(Perceptron(sizes, "relu"), 10 * batch_size, batch_size, 10, 100)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many") / "run"
    assert compare(folder) == 0
    return contents(folder)


def test_many_pairs_are_trained_in_chunks(many):
    assert len(many["results.csv"].splitlines()) == 1 + 4 * 60


def test_a_run_is_resumed_at_the_chunk_it_was_in(tmp_path, many, monkeypatch, capsys):
    count = press_after(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt, match="after chunk 5 of 8"):
        compare(tmp_path)
    assert cli.main(["resume", str(tmp_path)]) == 0
    assert "in 8 chunks of at most 32 networks" in " ".join(capsys.readouterr().err.split())
    assert len(count) == 8
    assert contents(tmp_path) == many


def flip(chunk):
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)


def swap(chunk, other):
    chunk.rename(chunk.with_name("aside"))
    other.rename(chunk)
    chunk.with_name("aside").rename(other)


def test_damaged_chunks_are_trained_again(tmp_path, many, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        press_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            compare(tmp_path)
    first, *others = (tmp_path / PROGRESS / f"chunk {number} of 8.npz" for number in (1, 2, 3))
    flip(first)
    swap(*others)
    assert cli.main(["resume", str(tmp_path)]) == 0
    assert " ".join(capsys.readouterr().err.split()).count("that part is trained again") == 3
    assert contents(tmp_path) == many


def test_chunks_change_nothing_but_rounding():
    config = tiny.config("tanh", widths=(8,))
    whole, cut_up = (sweep.run(tiny.task(config, cut)) for cut in (None, choose(2, 15, 8, 8, 99)))
    np.testing.assert_array_equal(cut_up.fresh, whole.fresh)
    for one, other in zip(cut_up.metrics, whole.metrics, strict=True):
        np.testing.assert_allclose(one.train_nll, other.train_nll, rtol=1e-4)


def test_larger_networks_make_smaller_chunks(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda *_: 8 * memory.GIB)
    monkeypatch.setattr(jax, "local_device_count", lambda: 2)
    default = memory.limits(plan(64, 256, 128, 10))
    assert default[0] >= 288  # the default comparison is one chunk
    assert default[1] >= 36  # in which the arms of a seed stay together
    wide = memory.limits(plan(784, 4096, 4096, 10))
    assert wide[0] < default[0] / 50
    assert memory.held(plan(784, 4096, 4096, 10)) * wide[0] <= 2 * memory.GIB
    monkeypatch.setattr(memory, "available", lambda *_: memory.GIB)
    assert memory.limits(plan(64, 256, 128, 10))[0] < default[0]


@pytest.mark.parametrize(("left", "group"), [(3, 2), (8, 2), (1, 1)])
def test_what_others_use_of_the_memory_changes_no_rounding_unless_it_must(monkeypatch, left, group):
    sizes = {(): left * memory.GIB, ("MemTotal:",): 16 * memory.GIB}
    monkeypatch.setattr(memory, "available", lambda *which: sizes[which])
    monkeypatch.setattr(jax, "local_device_count", lambda: 2)
    network = plan(784, 4096, 4096, 10)
    monkeypatch.setattr(memory, "held", lambda _: 1)
    assert memory.limits(network)[1] == group


def test_a_network_that_does_not_fit_is_refused_before_it_is_built(tmp_path, capsys):
    with pytest.raises(InputError, match="networks that fit in the"):
        memory.limits(plan(64, 10**6, 10**6, 10))
    wide = ["--widths", "1000000", "1000000"]
    assert cli.main([*COMPARE, *wide, "--output", str(tmp_path / "run")]) == 2
    assert "Make --widths" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_parameters_are_those_of_the_network():
    architecture = Perceptron((7, 5, 3), "relu")
    params = jax.eval_shape(lambda: nnx.state(architecture.build(jax.random.key(0)), nnx.Param))
    assert architecture.parameters == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_the_peak_is_that_of_this_process():
    block = np.ones(2**27, np.uint8)
    assert memory.peak() > block.nbytes
    assert memory.available() > 0
