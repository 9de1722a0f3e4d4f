"""Sampling: closed forms, every mask of a tiny network, chunks, devices, refusals.

Statistics are compared at |z| < 5 under fixed keys; fresh ones would fail a comparison with a
probability of 6e-7, and there are fewer than 100 of them.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from jax.typing import ArrayLike

import jaxdrop
from jaxdrop import montecarlo

KEY = jax.random.key(3)
WEIGHTS, X = jnp.array([1.0, -2.0, 0.5, 3.0]), jnp.array([0.5, 1.0, -2.0, 1.5])
LIMIT = 5.0


def linear(key, rate: ArrayLike = 0.3):
    return jaxdrop.dropout(key, X, rate) @ WEIGHTS


def tiny(mask, rate=0.5):
    """Two hidden units behind two masked inputs; four bits make a mask."""
    w1, w2 = jnp.array([[1.0, -1.0], [0.5, 2.0]]), jnp.array([1.5, -0.5])
    hidden = jnp.tanh(jaxdrop.apply_mask(mask[:2], jnp.array([1.0, 2.0]), rate) @ w1)
    return jaxdrop.apply_mask(mask[2:], hidden, rate) @ w2


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_a_linear_layer_has_the_variance_of_the_closed_form(rate):
    n, terms = 20_000, np.asarray(WEIGHTS * X, np.float64)
    samples = np.asarray(montecarlo.sample(KEY, Partial(linear, rate=rate), n), np.float64)
    keep = round((1 - rate) * 2**16) / 2**16  # what 16 bits realise
    variance = (1 - keep) / keep * np.square(terms).sum()
    assert abs(samples.mean() - terms.sum()) < LIMIT * np.sqrt(variance / n)
    fourth = np.mean((samples - samples.mean()) ** 4)
    assert abs(samples.var() - variance) < LIMIT * np.sqrt((fourth - variance**2) / n)


def test_samples_agree_with_all_masks_of_a_tiny_network():
    masks = jnp.array(list(itertools.product([False, True], repeat=4)))
    exact = np.asarray(jax.vmap(tiny)(masks), np.float64)  # equally likely at rate 0.5
    n = 20_000
    fn = Partial(lambda key: tiny(jaxdrop.keep_mask(key, 0.5, (4,))))
    samples = np.asarray(montecarlo.sample(KEY, fn, n), np.float64)
    assert abs(samples.mean() - exact.mean()) < LIMIT * exact.std() / np.sqrt(n)
    for value, count in zip(*np.unique(exact.round(4), return_counts=True), strict=True):
        share = count / len(exact)
        found = np.mean(abs(samples - value) < 1e-3)
        assert abs(found - share) < LIMIT * np.sqrt(share * (1 - share) / n)


@pytest.mark.parametrize("chunk", [1, 3, 10, 99])
def test_chunks_change_nothing(chunk):
    whole = montecarlo.sample(KEY, linear, 10)
    np.testing.assert_allclose(montecarlo.sample(KEY, linear, 10, chunk=chunk), whole, rtol=1e-6)


def test_the_first_samples_stay():
    many = montecarlo.sample(KEY, linear, 9)
    np.testing.assert_allclose(montecarlo.sample(KEY, linear, 4), many[:4], rtol=1e-6)
    assert len(np.unique(np.asarray(many).round(4))) > 3


def test_legacy_keys_agree():
    legacy = montecarlo.sample(jax.random.PRNGKey(3), linear, 4)
    np.testing.assert_array_equal(legacy, montecarlo.sample(KEY, linear, 4))


def test_pytrees_and_jit():
    fn = lambda key: {"a": linear(key), "b": (linear(key)[None], jnp.int32(1))}  # noqa: E731
    inside = jax.jit(lambda key: montecarlo.sample(key, fn, 5))(KEY)
    assert inside["b"][0].shape == (5, 1)
    np.testing.assert_allclose(inside["a"], montecarlo.sample(KEY, linear, 5), rtol=1e-6)


def test_a_partial_is_compiled_once_for_all_its_arguments():
    traces = []

    def counted(x, key):
        traces.append(1)
        return jaxdrop.dropout(key, x, 0.5).sum()

    first = montecarlo.sample(KEY, Partial(counted, X), 8)
    traced = len(traces)
    other = montecarlo.sample(KEY, Partial(counted, 2 * X), 8)
    assert len(traces) == traced
    np.testing.assert_allclose(other, 2 * first, rtol=1e-6)


@pytest.mark.parametrize("count", [16, 13])
@pytest.mark.parametrize("chunk", [None, 2])
def test_samples_are_shared_over_devices(count, chunk):
    mesh = jax.make_mesh((8,), ("samples",))
    shared = montecarlo.sample(KEY, linear, count, mesh=mesh, chunk=chunk)
    np.testing.assert_allclose(shared, montecarlo.sample(KEY, linear, count), rtol=1e-6)
    if count == 16:
        assert {shard.data.shape for shard in shared.addressable_shards} == {(2,)}


@pytest.mark.parametrize("devices", [0, 8])
@pytest.mark.parametrize("chunk", [1, 7, 64, 5000])
def test_moments_are_those_of_the_samples(chunk, devices):
    mesh = jax.make_mesh((devices,), ("samples",)) if devices else None
    fn = lambda key: {"a": 1e3 + linear(key), "b": X * jax.random.normal(key)}  # noqa: E731
    samples = jax.tree.map(np.asarray, montecarlo.sample(KEY, fn, 100))
    found = montecarlo.moments(KEY, fn, 100, chunk=chunk, mesh=mesh)
    assert found.num_samples == 100
    for name, of_name in samples.items():
        np.testing.assert_allclose(found.mean[name], of_name.mean(0, np.float64), rtol=1e-5)
        np.testing.assert_allclose(found.variance[name], of_name.var(0, np.float64), rtol=1e-3)


def test_moments_take_the_memory_of_a_chunk():
    def fn(key):
        return jaxdrop.dropout(key, jnp.ones(1000), 0.5)

    def bytes_of(run):
        analysis = jax.jit(run).lower(KEY).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes + analysis.output_size_in_bytes

    assert bytes_of(lambda key: montecarlo.sample(key, fn, 5000)) > 20e6
    assert bytes_of(lambda key: montecarlo.moments(key, fn, 5000)[1:]) < 2e6


def test_low_precision_is_widened():
    found = montecarlo.moments(KEY, lambda key: linear(key).astype(jnp.bfloat16), 100)
    assert found.mean.dtype == found.variance.dtype == jnp.float32


def test_equal_samples_are_refused():
    forgetful = lambda key: X @ WEIGHTS  # noqa: E731
    frozen = lambda key: linear(jax.random.key(0))  # noqa: E731
    never = lambda key: linear(key, jnp.float32(0))  # noqa: E731
    for draw in (montecarlo.sample, montecarlo.moments):
        for fn, reason in ((forgetful, "depend"), (frozen, "depend"), (never, "key is used")):
            with pytest.raises(ValueError, match=rf"differ from sample.*{reason}.*no dropout site"):
                draw(KEY, fn, 5)
    with pytest.raises(ValueError, match="do not depend on the key"):
        jax.jit(lambda key: montecarlo.sample(key, forgetful, 5))(KEY)


def test_equal_samples_at_a_low_rate_are_no_reason_to_refuse():
    """Two samples of one unit at rate 0.05 agree nine times in ten; some later one differs."""
    fn = Partial(lambda key: jaxdrop.dropout(key, jnp.ones(1), 0.05))
    equal = 0
    for seed in range(5):
        samples = montecarlo.sample(jax.random.key(seed), fn, 2)
        equal += int(samples[0, 0] == samples[1, 0])
    assert equal > 0


BAD = {
    "one": ({"num_samples": 1}, ValueError, r"num_samples of 2 or more; got 1\. One sample"),
    "none": ({"num_samples": 0}, ValueError, "got 0"),
    "fraction": ({"num_samples": 2.5}, TypeError, "integer as num_samples"),
    "chunk": ({"chunk": 0}, ValueError, "chunk of 1 or more; got 0"),
    "chunk kind": ({"chunk": 1.5}, TypeError, "integer as chunk"),
    "key": ({"key": 3}, TypeError, "Expected a key; got 3"),
    "keys": ({"key": jax.random.split(KEY, 3)}, ValueError, "Expected one key"),
}


@pytest.mark.parametrize("draw", [montecarlo.sample, montecarlo.moments])
@pytest.mark.parametrize(("change", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input(draw, change, error, message):
    with pytest.raises(error, match=message):
        draw(**{"key": KEY, "fn": linear, "num_samples": 5, **change})
