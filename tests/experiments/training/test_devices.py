"""One, two, four and eight devices: what is drawn is the same, what is computed nearly so."""

import jax
import numpy as np
import pytest

from experiments.training import devices, inputs, sweep
from experiments.training.task import Plan
from tests.experiments import tiny

CONFIG = tiny.config("tanh", widths=(8,))


def on(number, monkeypatch):
    """What comes out on so many devices."""
    chosen = jax.devices()[:number]
    monkeypatch.setattr(devices, "mesh", lambda rows=0: jax.sharding.Mesh(np.array(chosen), "rows"))
    monkeypatch.setattr(jax, "device_count", lambda: number)
    task = tiny.task(CONFIG)
    own = {**vars(task.plan), "blocks": 100 + number}  # a program knows its devices, by its plan
    assert task.layout.chunk % number == 0
    return inputs.of_task(task), sweep.run(task._replace(plan=Plan(**own)))


@pytest.mark.parametrize("counts", [(8,), pytest.param((2, 4), marks=pytest.mark.slow)])
def test_devices_change_nothing_but_rounding(monkeypatch, counts):
    drawn, alone = on(1, monkeypatch)
    for number in counts:
        others, shared = on(number, monkeypatch)
        assert others == drawn
        np.testing.assert_array_equal(shared.fresh, alone.fresh)
        for one, other in zip(alone.metrics, shared.metrics, strict=True):
            np.testing.assert_allclose(other.train_nll, one.train_nll, rtol=1e-5)
            np.testing.assert_allclose(other.test_accuracy, one.test_accuracy, atol=0.012)
