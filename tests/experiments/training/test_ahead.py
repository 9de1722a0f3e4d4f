"""What accelerators are given: all rows at once, in chunks that the compiled programs allow.

Those marked `compiled` read what XLA makes of training for a TPU v5e and an H100, and run nothing.
"""

import re
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from experiments.bench import optimized
from experiments.bench.targets import Target
from experiments.errors import InputError
from experiments.models import Convolutional
from experiments.training import ahead, devices, memory
from experiments.training.chunks import Layout
from experiments.training.sweep import run
from experiments.training.task import Plan
from tests.experiments import tiny
from tests.targets import device, of_targets

ARMS, ROWS, STEPS = 2, 7, 3


def place(monkeypatch, target: Target | None):
    """Programs are for a device of a target, or for this machine; what is known of others goes."""
    stand_on(monkeypatch, [device(target)] if target else jax.devices()[:1])
    jax.clear_caches()  # a program knows its devices


def stand_on(monkeypatch, there):
    """The devices are these; no program of another plan is of use, or in the way."""
    monkeypatch.setattr(devices, "mesh", lambda rows=0: Mesh(np.array(there), "rows"))
    for name in ("device_count", "local_device_count"):
        monkeypatch.setattr(jax, name, lambda: len(there))


@pytest.fixture
def accelerated(monkeypatch):
    """As if this machine were an accelerator."""
    stand_on(monkeypatch, jax.devices()[:1])
    monkeypatch.setattr(devices, "one_by_one", lambda: False)


def task(rows=ROWS, **plan):
    """Two arms of so many seeds."""
    config = tiny.config(placements=("input",), rates=(0.3,), widths=(8,))
    small = tiny.task(config, Layout(2, ARMS, ARMS, 2))
    return small._replace(
        plan=Plan(**{**vars(small.plan), **plan}), layout=Layout(rows, ARMS, ARMS, rows)
    )


def convolutional():
    """The same of images, four to a batch."""
    recipes: Any = task().recipes._replace(rates=np.zeros((ARMS, 3), np.float32))
    network = Convolutional((8, 8, 1), 10, (4,))
    return task(architecture=network)._replace(recipes=recipes)


def training(task) -> str:
    """The program of a chunk, as it is compiled."""
    return next(ahead.lowered(task)).compile().as_text() or ""


def turns(text: str) -> set[int]:
    """How often its loops turn."""
    program = optimized.parse(text)
    run = (each for each, _ in program.executed(program.entry))
    return {program.turns(each) for each in run if each.opcode == "while"}


@pytest.mark.compiled
@of_targets
def test_rows_are_a_loop_on_a_cpu_alone(monkeypatch, target):
    place(monkeypatch, None)
    assert {ROWS, STEPS} <= turns(training(task()))
    place(monkeypatch, target)
    found = turns(training(task()))
    assert STEPS in found
    assert ROWS not in found


@pytest.mark.compiled
@of_targets
def test_convolutions_are_xlas_own_but_on_a_cpu(monkeypatch, target):
    window = re.compile(r"convolution\(.*window=\{size=3x3|__cudnn\$conv")
    place(monkeypatch, None)
    assert not window.search(training(convolutional()))
    place(monkeypatch, target)
    assert window.search(training(convolutional()))


@pytest.mark.compiled
@of_targets
def test_the_compiled_program_says_how_many_networks_fit(monkeypatch, target):
    place(monkeypatch, target)
    room = 1.01 * ahead.needed(task(rows=16))
    monkeypatch.setattr(memory, "on_a_device", lambda: room / (1 - ahead.SPARE))
    fitting = ahead.fitted(task(rows=64))
    assert fitting.layout.chunk < 64
    assert ahead.needed(fitting) <= room < ahead.needed(task(rows=2 * fitting.layout.chunk))


def pretend(monkeypatch, fixed: float, each: float, room: float):
    """Chunks need so much; how many networks each of those that were asked for has."""
    asked = []

    def needed(task):
        asked.append(task.layout.chunk * task.layout.group)
        return fixed + each * asked[-1]

    monkeypatch.setattr(ahead, "needed", needed)
    monkeypatch.setattr(memory, "on_a_device", lambda: room / (1 - ahead.SPARE))
    return asked


def test_on_a_cpu_the_estimate_stays(monkeypatch):
    asked = pretend(monkeypatch, 0, 1, 1)
    assert ahead.fitted(task()).layout == task().layout
    assert asked == []


@pytest.mark.usefixtures("accelerated")
@pytest.mark.parametrize(
    ("chunk", "room", "tried"),
    [
        (50, 1000, [100]),  # all of it fits
        (10, 1000, [20, 100]),  # and does so in one chunk
        (10, 70, [20, 46]),  # more fits: 20 × 70 / 30
        (50, 70, [100, 50]),
        (50, 20, [100, 50, 24, 12, 6]),
    ],
)
def test_chunks_grow_or_are_halved_until_they_fit(monkeypatch, chunk, room, tried):
    asked = pretend(monkeypatch, 10, 1, room)
    fitting = ahead.fitted(task()._replace(layout=Layout(50, ARMS, ARMS, chunk))).layout
    assert asked == tried
    assert fitting.chunk * fitting.group == tried[-1]


@pytest.mark.usefixtures("accelerated")
def test_a_network_that_does_not_fit_alone_is_refused(monkeypatch):
    pretend(monkeypatch, 10, 1, 5)
    with pytest.raises(InputError, match=r"networks that fit in the .* of a device; got some"):
        ahead.fitted(task())


@pytest.mark.usefixtures("accelerated")
def test_training_compiles_nothing_again(monkeypatch, caplog):
    stand_on(monkeypatch, jax.devices()[:2])
    whole = task(rows=4, blocks=102)
    with jax.log_compiles():
        ahead.needed(whole)
        run(whole)
    for name in ("train", "measure"):
        assert caplog.text.count(f"Compiling jit({name})") == 1
