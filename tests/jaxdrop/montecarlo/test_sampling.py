"""Sampling: closed forms, every mask of a tiny network, chunks, devices, refusals.

Statistics are compared at |z| < 5 under fixed keys; fresh ones would fail a comparison with a
probability of 6e-7, and there are fewer than 100 of them.
"""

import itertools
from collections import Counter
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.typing import ArrayLike

import jaxdrop
from jaxdrop import montecarlo

KEY = jax.random.key(3)
WEIGHTS, X = jnp.array([1.0, -2.0, 0.5, 3.0]), jnp.array([0.5, 1.0, -2.0, 1.5])
LIMIT = 5.0


def linear(key, rate: ArrayLike = 0.3):
    return jaxdrop.dropout(key, X, rate) @ WEIGHTS


@cache
def drawn(count):
    """One device, one chunk."""
    return np.asarray(montecarlo.sample(KEY, linear, count))


def tiny(mask, rate=0.5):
    """Two hidden units behind two masked inputs; four bits make a mask."""
    w1, w2 = jnp.array([[1.0, -1.0], [0.5, 2.0]]), jnp.array([1.5, -0.5])
    hidden = jnp.tanh(jaxdrop.apply_mask(mask[:2], jnp.array([1.0, 2.0]), rate) @ w1)
    return jaxdrop.apply_mask(mask[2:], hidden, rate) @ w2


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_a_linear_layer_has_the_variance_of_the_closed_form(rate):
    n, terms = 20_000, np.asarray(WEIGHTS * X, np.float64)
    samples = np.asarray(montecarlo.sample(KEY, partial(linear, rate=rate), n), np.float64)
    keep = round((1 - rate) * 2**16) / 2**16  # what 16 bits realise
    variance = (1 - keep) / keep * np.square(terms).sum()
    assert abs(samples.mean() - terms.sum()) < LIMIT * np.sqrt(variance / n)
    fourth = np.mean((samples - samples.mean()) ** 4)
    assert abs(samples.var() - variance) < LIMIT * np.sqrt((fourth - variance**2) / n)


def test_samples_agree_with_all_masks_of_a_tiny_network():
    masks = np.array(list(itertools.product([False, True], repeat=4)))
    exact = np.asarray(jax.jit(jax.vmap(tiny))(masks), np.float64)  # equally likely at rate 0.5
    n = 20_000
    predict = lambda key: tiny(jaxdrop.keep_mask(key, 0.5, (4,)))  # noqa: E731
    samples = np.asarray(montecarlo.sample(KEY, predict, n), np.float64)
    assert abs(samples.mean() - exact.mean()) < LIMIT * exact.std() / np.sqrt(n)
    for value, count in zip(*np.unique(exact.round(4), return_counts=True), strict=True):
        share = count / len(exact)
        found = np.mean(abs(samples - value) < 1e-3)
        assert abs(found - share) < LIMIT * np.sqrt(share * (1 - share) / n)


@pytest.mark.parametrize("chunk", [1, 3, 10, 99])
def test_chunks_change_nothing(chunk):
    found = montecarlo.sample(KEY, linear, 10, chunk=chunk)
    np.testing.assert_allclose(found, drawn(10), rtol=1e-6)


def test_the_first_samples_stay():
    np.testing.assert_allclose(drawn(5), drawn(10)[:5], rtol=1e-6)
    assert len(np.unique(drawn(10).round(4))) > 3


def test_legacy_keys_agree():
    legacy = montecarlo.sample(jax.random.PRNGKey(3), linear, 5)
    np.testing.assert_array_equal(legacy, drawn(5))


def test_pytrees_and_jit():
    fn = lambda key: {"a": linear(key), "b": (linear(key)[None], jnp.int32(1))}  # noqa: E731
    inside = jax.jit(lambda key: montecarlo.sample(key, fn, 5))(KEY)
    assert inside["b"][0].shape == (5, 1)
    np.testing.assert_allclose(inside["a"], drawn(5), rtol=1e-6)


def test_the_caller_compiles_once():
    traces = []

    @jax.jit
    def drawn(key, x):
        traces.append(1)
        return montecarlo.sample(key, lambda key: jaxdrop.dropout(key, x, 0.5).sum(), 8)

    first = drawn(KEY, X)
    np.testing.assert_allclose(drawn(KEY, 2 * X), 2 * first, rtol=1e-6)
    assert len(traces) == 1


def test_what_a_function_holds_may_change():
    held = {"x": X}
    predict = lambda key: jaxdrop.dropout(key, held["x"], 0.5)  # noqa: E731
    first = montecarlo.sample(KEY, predict, 4)
    held["x"] = 2 * X
    np.testing.assert_allclose(montecarlo.sample(KEY, predict, 4), 2 * first, rtol=1e-6)


@pytest.mark.parametrize(("count", "chunk"), [(16, None), (13, 2), (5, None), (5, 2)])
def test_samples_are_shared_over_devices(count, chunk):
    mesh = jax.make_mesh((8,), ("samples",))
    shared = montecarlo.sample(KEY, linear, count, mesh=mesh, chunk=chunk)
    np.testing.assert_allclose(shared, drawn(16)[:count], rtol=1e-6)
    if count == 16:
        assert {shard.data.shape for shard in shared.addressable_shards} == {(2,)}


def two(key):
    return {"a": 1e3 + linear(key), "b": X * jax.random.normal(key)}


@cache
def drawn_of(predict, count):
    return jax.tree.map(np.asarray, montecarlo.sample(KEY, predict, count))


@pytest.mark.parametrize(("chunk", "devices"), [(1, 0), (7, 8), (7, 0), (5000, 8)])
def test_moments_are_those_of_the_samples(chunk, devices):
    mesh = jax.make_mesh((devices,), ("samples",)) if devices else None
    found = montecarlo.moments(KEY, two, 100, chunk=chunk, mesh=mesh)
    assert found.num_samples == 100
    for name, of_name in drawn_of(two, 100).items():
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


@pytest.mark.parametrize("devices", [0, 8])
@pytest.mark.parametrize(("count", "chunk"), [(2, 64), (13, 3)])
@pytest.mark.parametrize("draw", [montecarlo.sample, montecarlo.moments])
def test_no_more_passes_are_run_than_asked_for(draw, count, chunk, devices):
    mesh = jax.make_mesh((devices,), ("samples",)) if devices else None
    passes, found = Counter(), []

    def counted(key):
        jax.debug.callback(lambda _: passes.update(["run"]), jax.random.key_data(key))
        return linear(key)

    found = draw(KEY, counted, count, chunk=chunk, mesh=mesh)
    jax.block_until_ready(found)
    jax.effects_barrier()
    assert passes["run"] == count


def large(key):
    return jnp.array([1e7, -3e6, 1e7], jnp.float32) + jax.random.normal(key, (3,))


@pytest.mark.parametrize(("chunk", "devices"), [(1, 0), (32, 8), (32, 0), (5000, 8)])
def test_moments_of_large_predictions(chunk, devices):
    """Against float64, of what float32 could hold of them."""
    mesh = jax.make_mesh((devices,), ("samples",)) if devices else None
    samples = drawn_of(large, 500).astype(np.float64)
    found = montecarlo.moments(KEY, large, 500, chunk=chunk, mesh=mesh)
    np.testing.assert_array_equal(found.mean, samples.mean(0).astype(np.float32))
    np.testing.assert_allclose(found.variance, samples.var(0), rtol=1e-5)


def test_moments_of_many_samples():
    """Two values, so that a serial sum in float32 would round the same way at every step."""
    predict = lambda key: jnp.where(jax.random.bits(key, dtype=jnp.uint8) < 128, 0.1, 0.9)  # noqa: E731
    count = 2_000_000
    high = jax.jit(lambda key: (montecarlo.sample(key, predict, count) > 0.5).sum())(KEY)
    share, gap = float(high) / count, float(np.float32(0.9)) - float(np.float32(0.1))
    found = montecarlo.moments(KEY, predict, count, chunk=4)
    np.testing.assert_allclose(found.mean, float(np.float32(0.1)) + share * gap, rtol=2e-7)
    np.testing.assert_allclose(found.variance, share * (1 - share) * gap**2, rtol=2e-6)


def test_integers_and_flags_have_moments():
    predict = lambda key: {"n": jax.random.randint(key, (), 0, 9, jnp.uint8),  # noqa: E731
                           "b": jax.random.bernoulli(key)}  # fmt: skip
    samples = jax.tree.map(np.asarray, montecarlo.sample(KEY, predict, 200))
    found = montecarlo.moments(KEY, predict, 200)
    for name in "nb":
        np.testing.assert_allclose(found.mean[name], samples[name].mean(), rtol=1e-6)
        np.testing.assert_allclose(found.variance[name], samples[name].var(), rtol=1e-5)


@pytest.mark.parametrize("kind", ["complex", "key"])
def test_moments_of_what_is_no_real_number_are_refused(kind):
    predict = {
        "complex": lambda key: lax.complex(linear(key), linear(key)),
        "key": jax.random.split,
    }
    with pytest.raises(TypeError, match=f"Expected predictions that are real numbers; got {kind}"):
        montecarlo.moments(KEY, predict[kind], 5)
    assert len(montecarlo.sample(KEY, predict[kind], 5)) == 5


BAD = {
    "one": ({"num_samples": 1}, ValueError, r"num_samples of 2 or more; got 1\. One sample"),
    "none": ({"num_samples": 0}, ValueError, "got 0"),
    "fraction": ({"num_samples": 2.5}, TypeError, "integer as num_samples"),
    "chunk": ({"chunk": 0}, ValueError, "chunk of 1 or more; got 0"),
    "chunk kind": ({"chunk": 1.5}, TypeError, "integer as chunk"),
    "key": ({"key": 3}, TypeError, "Expected a key; got 3"),
    "no function": ({"predict": None}, TypeError, "Expected a function of a key.*got None"),
    "array": ({"predict": np.ones(2)}, TypeError, "Expected a function of a key"),
    "mesh": ({"mesh": "a"}, TypeError, r"Expected a jax\.sharding\.Mesh as mesh; got 'a'"),
    "swapped": ({"key": linear, "predict": KEY}, TypeError, "Expected a key; got <function"),
    "keys": ({"key": jax.random.split(KEY, 3)}, ValueError, "Expected one key"),
}


@pytest.mark.parametrize("draw", [montecarlo.sample, montecarlo.moments])
@pytest.mark.parametrize(("change", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input(draw, change, error, message):
    with pytest.raises(error, match=message):
        draw(**{"key": KEY, "predict": linear, "num_samples": 5, **change})
