"""What is timed as attention is attention, dropped where it says so; eager calls are eager."""

import jax
import numpy as np
import pytest

from experiments.bench import attention, eager, layers, measure
from experiments.bench.attention import ATTENDS, Comparison


@pytest.fixture(autouse=True)
def lenient():
    with jax.numpy_rank_promotion("allow"):
        yield


def weights(name, key):
    """Zero logits and values that are a unit matrix show them."""
    unit = np.tile(np.eye(24, 64, dtype=np.float32)[None, :, None], (1, 1, 8, 1))
    zeros = np.zeros_like(unit)
    return np.swapaxes(jax.jit(ATTENDS[name])(key, zeros, zeros, unit), 1, 2)[..., :24]


@pytest.mark.parametrize("name", ATTENDS)
def test_a_candidate_drops_if_it_says_so(name):
    found = weights(name, jax.random.key(0))
    dropped = (found == 0)[..., np.tril_indices(24)[0], np.tril_indices(24)[1]]
    if "off" in name:
        assert not dropped.any()
    else:
        assert abs(dropped.mean() - 0.1) < 0.05  # 2,400 draws at least: 8 deviations
    assert (np.triu(found[0, 0], 1) == 0).all() == ("causal" in name)


def test_rows_hold_times_memory_and_ratios(monkeypatch):
    monkeypatch.setattr(measure, "SAMPLE_SECONDS", 0)
    rows = attention.rows(Comparison(32, "float32", "forward-backward", "cpu"), 2, lambda: None)
    by_name = {row["candidate"]: row for row in rows}
    assert by_name.keys() >= ATTENDS.keys()
    assert by_name["jax.nn, off"]["times_jax"] == 1
    assert all(len(row["seconds"]) == 2 for row in rows)
    assert by_name["unfused"]["mebibytes"] > 0


def test_eager_calls_are_measured_by_the_last(monkeypatch):
    monkeypatch.setattr(measure, "SAMPLE_SECONDS", 0)
    for what, own in eager.calls().items():
        rows = eager.rows(what, own, 2, lambda: None)
        assert [row["candidate"] for row in rows] == [*own]
        assert rows[-1]["times_reference"] == 1


def test_twelve_layers_hold_no_weights_where_flaxs_hold_several_times_one_layers():
    weights = layers.HEADS * 1024**2 * 4 / 2**20
    ours, flax = layers.rows(1024, lambda: None)
    assert 0 < ours["mebibytes"] < flax["mebibytes"] - 6 * weights
    assert ours["times_flax"] == ours["mebibytes"] / flax["mebibytes"]
