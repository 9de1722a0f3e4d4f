"""One, two, four and eight devices: what is drawn is the same, what is computed nearly so."""

import jax
import numpy as np
import pytest

from experiments import probes, spread, sweep
from experiments.compare import task_of
from experiments.placements import arms_of
from tests.experiments import tiny

ARMS = arms_of(("input", "logits"), (0.3, 0.6))
CONFIG = tiny.config(rates=(0.3, 0.6), epochs=2)


def on(devices, monkeypatch):
    """What three seeds and five arms come to on so many devices."""
    chosen = jax.devices()[:devices]
    monkeypatch.setattr(spread, "mesh", lambda: jax.sharding.Mesh(np.array(chosen), "rows"))
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    jax.clear_caches()  # a program knows its devices
    task = task_of(CONFIG, tiny.digits(), ARMS)
    assert task.layout.chunk % devices == 0
    return probes.cases({"": task})[""].inputs, sweep.run(task)


@pytest.mark.parametrize("counts", [(8,), pytest.param((2, 4), marks=pytest.mark.slow)])
def test_devices_change_nothing_but_rounding(monkeypatch, counts):
    inputs, alone = on(1, monkeypatch)
    for devices in counts:
        others, shared = on(devices, monkeypatch)
        assert others == inputs
        np.testing.assert_array_equal(shared.fresh, alone.fresh)
        for one, other in zip(alone.metrics, shared.metrics, strict=True):
            np.testing.assert_allclose(other.train_nll, one.train_nll, rtol=1e-5)
            np.testing.assert_allclose(other.test_accuracy, one.test_accuracy, atol=0.012)
    jax.clear_caches()
