"""DropConnect and embedding dropout: what only they promise."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxdrop
from tests.jaxdrop.arrays import normal, ones
from tests.test_laws import traces

KEY = jax.random.key(6)
MODEL = {"dense": {"kernel": jnp.ones((16, 16)), "bias": jnp.ones(16)}, "out": jnp.ones((16, 16))}


@pytest.mark.parametrize(
    ("function", "first"),
    [
        (jaxdrop.drop_connect, ["key", "weights", "rate"]),
        (jaxdrop.embedding_dropout, ["key", "table", "rate"]),
        (jaxdrop.attention_dropout, ["key", "weights", "rate"]),
        (jaxdrop.zoneout, ["key", "previous", "new", "rate"]),
    ],
)
def test_arguments_come_in_the_order_key_data_rate(function: object, first: list[str]):
    parameters = list(inspect.signature(function).parameters.values())  # pyright: ignore
    assert [parameter.name for parameter in parameters[: len(first)]] == first
    assert all(parameter.kind == parameter.KEYWORD_ONLY for parameter in parameters[len(first) :])


def test_drop_connect_each_leaf_has_its_own_key():
    dropped = jaxdrop.drop_connect(KEY, MODEL, 0.5)
    out = np.asarray(dropped["out"])
    assert (out != np.asarray(dropped["dense"]["kernel"])).any()
    for key in (KEY, jax.random.fold_in(KEY, 2)):
        assert (out != np.asarray(jaxdrop.dropout(key, MODEL["out"], 0.5))).any()


def test_drop_connect_the_filter_says_which_leaves_and_moves_no_mask():
    everything = jaxdrop.drop_connect(KEY, MODEL, 0.5)
    kernels = jaxdrop.drop_connect(KEY, MODEL, 0.5, where=lambda path, leaf: leaf.ndim == 2)
    assert kernels["dense"]["bias"] is MODEL["dense"]["bias"]
    np.testing.assert_array_equal(kernels["out"], everything["out"])
    named = jaxdrop.drop_connect(
        KEY, MODEL, 0.5, where=lambda path, leaf: jax.tree_util.keystr(path) == "['out']"
    )
    assert named["dense"]["kernel"] is MODEL["dense"]["kernel"]
    np.testing.assert_array_equal(named["out"], everything["out"])


def test_drop_connect_leaves_that_are_left_out_may_be_anything():
    weights = {"kernel": jnp.ones(64), "steps": 3, "name": "dense"}
    dropped = jaxdrop.drop_connect(
        KEY, weights, 0.5, where=lambda path, leaf: isinstance(leaf, jax.Array)
    )
    assert (dropped["steps"], dropped["name"]) == (3, "dense")
    assert (dropped["kernel"] == 0).any()


def test_drop_connect_rates_may_be_a_pytree_like_the_weights():
    rates = {"dense": {"kernel": 0.0, "bias": 1.0}, "out": 0.5}
    dropped = jaxdrop.drop_connect(KEY, MODEL, rates)
    np.testing.assert_array_equal(dropped["dense"]["kernel"], MODEL["dense"]["kernel"])
    np.testing.assert_array_equal(dropped["dense"]["bias"], jnp.zeros(16))
    half = jaxdrop.drop_connect(KEY, MODEL, 0.5)
    np.testing.assert_array_equal(dropped["out"], half["out"])


def test_drop_connect_the_pre_activation_has_the_moments_of_the_paper():
    """Mean qWv and variance q(1-q)(W∘W)(v∘v), at z = 5 over 6 comparisons: fails 3.5e-6."""
    weights = normal(6, 3, 8)
    v, q, n = np.linspace(-1, 2, 8, dtype=np.float32), 0.7, 20_000

    def layer(key: jax.Array) -> jax.Array:
        return jaxdrop.drop_connect(key, weights, 1 - q, scale=False) @ v

    u = np.asarray(jax.jit(jax.vmap(layer))(jax.random.split(KEY, n)), np.float64)
    w = np.asarray(weights, np.float64)
    mean, variance = q * w @ v, q * (1 - q) * (w**2) @ v**2
    assert (np.abs(u.mean(0) - mean) < 5 * np.sqrt(variance / n)).all()
    spread = (u - u.mean(0)) ** 2
    assert (np.abs(spread.mean(0) - variance) < 5 * spread.std(0) / np.sqrt(n)).all()


def test_drop_connect_scale_divides_by_the_keep_probability():
    plain = jaxdrop.drop_connect(KEY, MODEL, 0.75, scale=False)
    scaled = jaxdrop.drop_connect(KEY, MODEL, 0.75)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(4 * np.asarray(a), b), plain, scaled)


def test_embedding_dropout_a_word_is_dropped_at_all_its_places():
    table, ids = ones(40, 3), np.array([5, 9, 5, 30, 9, 5])
    dropped = np.asarray(jaxdrop.embedding_dropout(KEY, table, 0.5))
    assert set(np.unique(dropped)) == {0.0, 2.0}
    np.testing.assert_array_equal(dropped.min(1), dropped.max(1))
    places = dropped[ids]
    np.testing.assert_array_equal(places[0], places[2])
    np.testing.assert_array_equal(places[0], places[5])


def test_embedding_dropout_a_mask_over_words_gives_the_same_without_the_table():
    table, mask = normal(6, 40, 3), jaxdrop.keep_mask(KEY, 0.5, (40, 1))
    few = jax.jit(lambda mask, table: jaxdrop.apply_mask(mask[::3], table[::3], 0.5))(mask, table)
    whole = np.asarray(jaxdrop.embedding_dropout(KEY, table, 0.5))
    np.testing.assert_array_equal(few, whole[::3])


def test_embedding_dropout_frequent_words_may_have_their_own_rate():
    rates = np.array([0.0, 1.0, 0.5], np.float32)[:, None]
    dropped = np.asarray(jaxdrop.embedding_dropout(KEY, ones(3, 4), rates))
    np.testing.assert_array_equal(dropped[0], np.ones(4))
    np.testing.assert_array_equal(dropped[1], np.zeros(4))


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_sharded_weights(kind: AxisType):
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(kind,) * 2)
    x = normal(6, 16, 32)
    sharded = jax.device_put(x, NamedSharding(mesh, P("a", "b")))
    ops = (jaxdrop.drop_connect, jaxdrop.embedding_dropout, jaxdrop.attention_dropout)
    together = jax.jit(lambda x: [op(KEY, x, 0.5) for op in ops])(sharded)  # one program
    for op, found in zip(ops, together, strict=True):
        np.testing.assert_array_equal(found, op(KEY, x, 0.5))


def test_drop_connect_leaves_of_one_shape_are_traced_once():
    leaves = {name: jnp.ones((3, 41)) for name in "abcd"}
    assert traces(lambda: jaxdrop.drop_connect(KEY, {"a": leaves["a"]}, 0.5))
    assert not traces(lambda: jaxdrop.drop_connect(KEY, leaves, 0.5))


def test_drop_connect_a_second_gradient_of_a_model_traces_nothing():
    gradient = jax.grad(lambda tree: jaxdrop.drop_connect(KEY, tree, 0.5)["out"].sum())
    gradient(MODEL)
    assert not traces(lambda: gradient(MODEL))
