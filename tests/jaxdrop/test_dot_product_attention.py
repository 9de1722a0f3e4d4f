"""Attention with dropout against softmax, `attention_dropout`, product; its masks to the bit."""

import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxdrop
from jaxdrop import attention, dot_product_attention
from jaxdrop.probability import at_least_float32

KEY, RATE = jax.random.key(7), 0.3
BLOCKS = (16, 8)


def data(
    queries=40, keys=24, heads=2, of_keys=None, batch=2, features=8, values=5, dtype="float32"
) -> list[Any]:
    sizes = (
        (batch, queries, heads, features),
        (batch, keys, of_keys or heads, features),
        (batch, keys, of_keys or heads, values),
    )
    normal = np.random.default_rng(1).normal
    return [normal(size=size).astype(jnp.dtype(dtype)) for size in sizes]


def fuse(*arrays, rate=RATE, **options):
    query, keys, values = arrays
    return dot_product_attention(KEY, query, keys, values, rate, **options)


def unfused(*arrays, rate=RATE, bias=None, seen=True, **options):
    """The definition and, by hand, the gradients that `with_gradients` takes, in float64."""
    query, keys, values = (np.asarray(x, np.float64).swapaxes(1, 2) for x in arrays)
    groups, scale = query.shape[1] // keys.shape[1], query.shape[-1] ** -0.5
    keys, values = (np.repeat(x, groups, axis=1) for x in (keys, values))
    logits = scale * query @ keys.mT + (0 if bias is None else bias)
    shares = np.where(seen, np.exp(logits), 0)
    shares /= np.maximum(shares.sum(-1, keepdims=True), 1e-30)
    ones: Any = np.ones(logits.shape, at_least_float32(arrays[0].dtype))
    factors = np.asarray(jaxdrop.dropout(KEY, ones, rate, **options), np.float64)
    out = (factors * shares) @ values
    slope = np.cos(out)
    of_shares = factors * (slope @ values.mT)
    of_logits = shares * (of_shares - (shares * of_shares).sum(-1, keepdims=True))
    of_heads = scale * of_logits.mT @ query, (factors * shares).mT @ slope
    of_keys = (np.add.reduceat(x, np.arange(0, query.shape[1], groups), axis=1) for x in of_heads)
    out, *gradients = (x.swapaxes(1, 2) for x in (out, scale * of_logits @ keys, *of_keys))
    return out, (*gradients, *([] if bias is None else [of_logits.sum((0, 1))]))


def agree(one, other, relative=1e-6):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape
        assert abs(a - b).max(initial=0) <= relative * abs(b).max(initial=0)


def with_gradients(attend, *arrays):
    """Output, and gradients of a function of it that has a slope everywhere."""

    def loss(*arrays):
        out = attend(*arrays)
        return jnp.sum(jnp.sin(out.astype(at_least_float32(out.dtype)))), out

    both = jax.value_and_grad(loss, argnums=tuple(range(len(arrays))), has_aux=True)
    (_, out), gradients = jax.jit(both)(*arrays)
    return out, gradients


ROWS, COLUMNS = np.arange(40)[:, None], np.arange(24)[None]
LENGTHS = np.array([30, 40]), np.array([20, 7])
SEEN = np.random.default_rng(5).random((1, 2, 40, 24)) < 0.7
SEEN[:, :, 5] = False
HIDING = {
    "causal": ({"is_causal": True}, COLUMNS <= ROWS),
    "window": ({"local_window_size": (5, 3)}, (COLUMNS >= ROWS - 5) & (COLUMNS <= ROWS + 3)),
    "lengths": (
        {"query_seq_lengths": LENGTHS[0], "key_value_seq_lengths": LENGTHS[1]},
        (ROWS < LENGTHS[0][:, None, None, None]) & (COLUMNS < LENGTHS[1][:, None, None, None]),
    ),
    "mask": ({"mask": SEEN}, SEEN),
    "mask of keys": ({"mask": SEEN[:, :1, :1]}, SEEN[:, :1, :1]),
}


@pytest.mark.parametrize("hiding", HIDING)
def test_what_a_query_does_not_see(hiding):
    options, seen = HIDING[hiding]
    fused = lambda *x: fuse(*x, block_sizes=BLOCKS, **options)  # noqa: E731
    out, gradients = with_gradients(fused, *data())
    agree((out, gradients), unfused(*data(), seen=seen), 2e-6)
    blind = ~np.any(np.broadcast_to(seen, (2, 2, 40, 24)).swapaxes(1, 2), axis=-1)
    assert not np.asarray(out)[blind].any()
    assert not np.asarray(gradients[0])[blind].any()


SIZES: dict[str, Any] = {
    "ragged": {"queries": 37, "keys": 29},
    "five": {"queries": 5, "keys": 5},
    "lanes along heads": {"queries": 5, "keys": 5, "heads": 9, "of_keys": 3},
    "lanes along the batch": {"queries": 2, "keys": 40, "batch": 8},
    "decoding": {"queries": 1, "keys": 40},
    "lanes along the keys, far apart": {"queries": 1, "keys": 1100},
    "one head of keys, strides of eight": {"queries": 1024, "keys": 9, "heads": 4, "of_keys": 1},
    "no keys": {"keys": 0},
    "no queries": {"queries": 0},
}


@pytest.mark.parametrize("sizes", SIZES)
def test_it_is_softmax_dropout_product(sizes):
    arrays = data(**SIZES[sizes])
    bias = np.sin(np.add.outer(*(np.arange(x.shape[1], dtype="float32") for x in arrays[:2])))
    fused = lambda q, k, v, b: dot_product_attention(KEY, q, k, v, RATE, bias=b)  # noqa: E731
    agree(with_gradients(fused, *arrays, bias), unfused(*arrays, bias=bias), 3e-6)


RATES = {
    "one": (0.3, 8),
    "one, as Flax draws": (0.3, 32),
    "a head": (np.full((2, 1, 1), 0.2), 16),
    "a key": (np.linspace(0, 0.9, 24), 16),
    "a query": (np.linspace(0, 1, 40)[:, None], 32),
}


@pytest.mark.parametrize("case", RATES)
def test_rates_and_bits(case):
    rate, bits = RATES[case]
    options: dict[str, Any] = {"rate": rate, "bits": bits, "broadcast_dims": (0,)}
    fused = lambda *x: fuse(*x, block_sizes=BLOCKS, **options)  # noqa: E731
    agree(with_gradients(fused, *data()), unfused(*data(), **options), 2e-6)


def test_bfloat16_is_summed_in_float32():
    arrays = data(dtype="bfloat16")
    fused = lambda *x: fuse(*x, block_sizes=BLOCKS)  # noqa: E731
    out, gradients = with_gradients(fused, *arrays)
    assert {x.dtype for x in (out, *gradients)} == {jnp.dtype("bfloat16")}
    agree((out, gradients), unfused(*arrays), 1e-2)
    ones: Any = np.ones((1, 4096, 1, 1), jnp.bfloat16)
    summed = dot_product_attention(KEY, ones[:, :1], ones, ones, 0.0, block_sizes=(1, 4096))
    assert summed.item() == 1  # in bfloat16 a sum of 4,096 ones stops at 256


def test_an_accelerator_takes_larger_blocks(monkeypatch):
    def sizes(heads: int) -> tuple[int, int]:
        shape = (1, heads, 4096, 4096)
        return attention._block_sizes(shape, shape, None, None)

    assert (sizes(8), sizes(128)) == ((512, 256), (128, 64))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert (sizes(8), sizes(128)) == ((1024, 1024), (512, 256))


def test_backward_sums_blocks_in_float32():
    ones = np.ones((1, 4000, 1, 1), jnp.bfloat16)
    attend = lambda values: fuse(ones, ones[:, :1], values, rate=0, block_sizes=(8, 1)).sum()  # noqa: E731
    assert (
        jax.jit(jax.grad(attend))(ones[:, :1]).item() == 4000
    )  # in bfloat16 a sum of eights stops at 2048


def test_float64_stays_float64_and_float32_float32():
    options = HIDING["lengths"][0] | {"is_causal": True, "block_sizes": BLOCKS}
    run = lambda *x: with_gradients(lambda *x: fuse(*x, **options), *x)  # noqa: E731
    seen = HIDING["lengths"][1] & (COLUMNS <= ROWS)
    with jax.enable_x64(True):
        short, long = run(*data()), run(*(x.astype("float64") for x in data()))
        plain = unfused(*(x.astype("float64") for x in data()), seen=seen)
    assert {x.dtype for x in jax.tree.leaves(short)} == {np.dtype("float32")}
    agree(short, long, 2e-6)
    agree(long, plain, 1e-14)


def test_without_a_batch_it_is_a_batch_of_one():
    arrays = data(batch=1)
    attend = lambda *x: fuse(*x, is_causal=True)  # noqa: E731
    both = jax.jit(lambda *x: ([attend(*(each[0] for each in x))], attend(*x)))
    np.testing.assert_array_equal(*both(*arrays))


def weights(key, shape, rate=RATE, **options):
    """Zero logits and values that are a unit matrix show the weights."""
    batch, heads, queries, keys = shape
    unit = np.tile(np.eye(keys, dtype=np.float32)[None, :, None], (batch, 1, heads, 1))
    query, zeros = (np.zeros((batch, size, heads, 1), np.float32) for size in (queries, keys))
    arrays: tuple[Any, Any, Any] = query, zeros, unit
    return dot_product_attention(key, *arrays, rate, **options).swapaxes(1, 2)


def masks(key, shape, block_sizes, **options):
    """Where the weights are not 0, and `keep_mask`, by one program."""

    @jax.jit
    def both(key):
        found = weights(key, shape, block_sizes=block_sizes, **options) != 0
        return found, jaxdrop.keep_mask(key, RATE, shape, **options)

    return both(key)


MASKED = (2, 3, 40, 24)


TIED = [((), 8), ((), 32), ((0, 1), 16), ((2,), 16), ((3,), 32), ((0, 1, 2, 3), 8)]


@pytest.mark.parametrize(("tied", "bits"), TIED)
def test_the_mask_is_keep_mask(tied, bits):
    np.testing.assert_array_equal(*masks(KEY, MASKED, BLOCKS, broadcast_dims=tied, bits=bits))


LANES = [(1, 1, 1, 40), (1, 9, 3, 4), (2, 2, 2, 2), (8, 1, 2, 5), (1, 1, 70, 1025)]
DRAWS = [(shape, "threefry2x32") for shape in LANES] + [(shape, "rbg") for shape in LANES[3:]]


@pytest.mark.parametrize(("shape", "impl"), DRAWS)
def test_the_mask_is_keep_mask_wherever_the_lanes_lie(shape, impl):
    key = jax.random.key(3, impl=impl)
    np.testing.assert_array_equal(*masks(key, shape, (8, 16)))


def test_the_mask_does_not_depend_on_who_calls():
    keys = jax.random.split(KEY, 3)
    of_key = lambda key: weights(key, MASKED, block_sizes=BLOCKS)  # noqa: E731
    one_by_one = np.stack([of_key(key) for key in keys])
    scanned = jax.lax.scan(lambda _, key: (None, jax.checkpoint(of_key)(key)), None, keys)[1]
    for other in (jax.jit(jax.vmap(of_key))(keys), scanned):
        np.testing.assert_array_equal(other, one_by_one)
    np.testing.assert_array_equal(of_key(jax.random.key_data(keys[0])), one_by_one[0])


def of_rate(rate, *arrays):
    return with_gradients(lambda *x: fuse(*x, rate=rate), *arrays)


traced = jax.jit(of_rate)


def test_rate_0_is_no_dropout_to_the_bit():
    arrays = data(values=8)
    off = of_rate(0, *arrays)
    agree(off, with_gradients(jax.nn.dot_product_attention, *arrays), 2e-6)
    jax.tree.map(np.testing.assert_array_equal, traced(0.0, *arrays), off)


@pytest.mark.parametrize("rate", [1.0, np.nan])
def test_rate_1_and_nan_drop_everything(rate):
    assert not any(
        np.asarray(leaf).any() for leaf in jax.tree.leaves(traced(rate, *data(values=8)))
    )


def test_lengths_may_be_mapped():
    lengths, arrays = np.array([7, 0]), data(batch=1)
    attend = lambda length, *x: fuse(*x, key_value_seq_lengths=length[None], block_sizes=BLOCKS)  # noqa: E731
    mapped = jax.vmap(attend, (0, None, None, None))
    twice = lambda *x: jax.vmap(mapped, (0, None, None, None))(lengths[:, None], *x)[:, 0]  # noqa: E731
    out, gradients = with_gradients(twice, *arrays)
    alone = [unfused(*arrays, seen=COLUMNS < length) for length in lengths]
    agree(out, np.stack([out for out, _ in alone]), 2e-6)
    agree(gradients, [sum(both) for both in zip(*(of for _, of in alone), strict=True)], 2e-6)


def definition(query, keys, values):
    logits = jnp.einsum("btnh,bsnh->bnts", query, keys) / query.shape[-1] ** 0.5
    weights = jaxdrop.dropout(KEY, jax.nn.softmax(logits), RATE)
    return jnp.einsum("bnts,bsnv->btnv", weights, values)


def test_derivatives_of_every_kind():
    query, keys, values = data(queries=6, keys=5, heads=1, batch=1, features=3)
    fused = lambda q: dot_product_attention(KEY, q, keys, values, RATE, block_sizes=(2, 2))  # noqa: E731
    plain = lambda q: definition(q, keys, values)  # noqa: E731
    square = lambda attend: lambda q: jnp.sum(attend(q) ** 2)  # noqa: E731
    along = lambda attend, q: jax.jvp(attend, [q], [jnp.cos(q)])  # noqa: E731

    @jax.jit  # one program
    def derivatives(q, rate):
        of_rate = jax.grad(lambda r: jnp.sum(dot_product_attention(KEY, q, keys, values, r)))
        forward, reverse = jax.hessian(square(fused)), jax.jacrev(jax.grad(square(fused)))
        return along(fused, q), forward(q), reverse(q), of_rate(rate)

    tangents, forward, reverse, of_rate = derivatives(query, 0.3)
    expected, hessian = jax.jit(lambda q: (along(plain, q), jax.hessian(square(plain))(q)))(query)
    agree(tangents, expected, 2e-6)
    agree(forward, hessian, 1e-5)
    agree(reverse, hessian, 1e-5)
    assert of_rate == 0


def test_the_scale_may_be_traced():
    arrays, run = data(), jax.jit(lambda scale, *x: fuse(*x, scale=scale))
    expected = unfused(arrays[0] * 0.5 * 8**0.5, *arrays[1:])[0]
    agree(run(0.5, *arrays), expected)
    agree(fuse(*arrays, scale=0.5), expected)


def test_a_large_scale_does_not_overflow_in_float16():
    """65,504 is the largest number there is; logits are in float32."""
    query, keys, values = data(dtype="float16")
    large = fuse(300 * query, keys / 300, values, scale=1024.0)
    agree(large, fuse(query, keys, values, scale=1024.0), 2e-2)


def largest_in(run):
    """Elements of the largest array of a compiled program of 2,048 queries and keys."""
    arrays = data(queries=2048, keys=2048, batch=1, heads=1, features=4, values=4)
    program = jax.jit(run).lower(*arrays).compile().as_text() or ""
    shapes = re.findall(r"(?:f32|bf16|f16|u32|s32|pred|u8|s8)\[([\d,]+)\]", program)
    return max(math.prod(map(int, shape.split(","))) for shape in shapes)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"rate": 0.0}])
def test_nothing_of_queries_times_keys_is_held(options):
    loss = lambda *x: jnp.sum(fuse(*x, **options) ** 2)  # noqa: E731
    assert largest_in(jax.grad(loss, argnums=(0, 1, 2))) < 2048**2 / 8


def test_weights_that_are_held_would_be_found():
    assert largest_in(definition) >= 2048**2


def temporaries(run):
    """Of the compiled program, in arrays of the size of the queries; a block is as large."""
    array = jax.ShapeDtypeStruct((1, 2048, 8, 64), jnp.float32)
    memory: Any = jax.jit(run).lower(*[array] * 3).compile().memory_analysis()
    return memory.temp_size_in_bytes / (array.size * 4)


def test_weights_are_dropped_in_place():
    """Beside the copies of query, keys and values, two blocks."""
    assert temporaries(fuse) < 5


def test_a_block_that_is_not_seen_takes_nothing_in_backward():
    """What its branch kept would be zeros, written for nothing: a block more."""
    causal = lambda *x: fuse(*x, is_causal=True).sum()  # noqa: E731
    assert temporaries(jax.grad(causal, argnums=(0, 1, 2))) < 9.4


COLLECTIVES = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_sharded_batch_and_heads_need_no_communication(kind):
    arrays, mesh = data(batch=4), jax.make_mesh((4, 2), ("b", "n"), axis_types=(kind,) * 2)
    attend = lambda *x: fuse(*x, block_sizes=BLOCKS)  # noqa: E731
    run = lambda *x: with_gradients(attend, *x)  # noqa: E731
    with jax.set_mesh(mesh):
        sharding = NamedSharding(mesh, PartitionSpec("b", None, "n"))
        shared = [jax.device_put(x, sharding) for x in arrays]
        program = jax.jit(run).lower(*shared).compile()
        out, gradients = program(*shared)
    assert not re.search(rf" (?:{COLLECTIVES})(?:-start)?\(", program.as_text() or "")
    assert out.sharding.is_equivalent_to(sharding, 4)
    agree((out, gradients), unfused(*arrays), 3e-6)


@pytest.mark.parametrize("what", ["keys", "bias", "mask", "rate"])
def test_on_an_explicit_mesh_anything_may_be_sharded(what):
    query, keys, values = data(batch=4)
    given = {
        "keys": keys,
        "bias": np.ones((4, 2, 40, 24), "float32"),
        "mask": np.tile(SEEN, (4, 1, 1, 1)),
    }
    given["rate"] = np.full((4, 1, 1, 1), RATE, "float32")
    alone = attend(query, values, given)
    with jax.set_mesh(jax.make_mesh((4,), ("b",), (AxisType.Explicit,))):
        given[what] = jax.device_put(given[what], PartitionSpec("b"))
        agree(attend(query, values, given), alone, 2e-6)


@jax.jit  # one program for all that are not sharded
def attend(query, values, given):
    return dot_product_attention(KEY, query, values=values, **given)


def test_inside_shard_map_it_is_what_it_is_under_vmap():
    """Keys that all devices share get the sum of their gradients, in one collective at most."""
    (query, *shared), lengths = data(batch=4), np.array([24, 7, 3, 16])
    shared = [x[:1] for x in shared]

    def shard(length, query, keys, values):
        key, options = jaxdrop.shard_key(KEY, "b"), {"is_causal": True, "block_sizes": BLOCKS}
        options |= {"key_value_seq_lengths": length}
        return dot_product_attention(key, query, keys, values, RATE, **options)

    def mapped(*arrays):
        specs = (PartitionSpec("b" if len(x) == 4 else None) for x in (lengths, *arrays))
        mesh, out = jax.make_mesh((4,), ("b",), (AxisType.Auto,)), PartitionSpec("b")
        run: Any = jax.shard_map(shard, mesh=mesh, in_specs=tuple(specs), out_specs=out)
        return run(lengths, *arrays)

    def alone(*arrays):
        run: Any = jax.vmap(shard, axis_name="b")
        return run(lengths[:, None], *(x[:, None] for x in arrays))[:, 0]

    apart = [np.repeat(x, 4, axis=0) for x in shared]
    out, (of_query, *others) = with_gradients(alone, query, *apart)
    summed = [np.sum(x, axis=0, keepdims=True) for x in others]
    for given, expected, most in ((apart, others, 0), (shared, summed, 1)):
        run = jax.jit(lambda *x: with_gradients(mapped, *x)).lower(query, *given).compile()
        agree(run(query, *given), (out, (of_query, *expected)), 2e-6)
        assert len(re.findall(rf" (?:{COLLECTIVES})(?:-start)?\(", run.as_text() or "")) <= most


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_sharded_queries_stay_sharded(kind):
    arrays, mesh = data(), jax.make_mesh((4,), ("t",), axis_types=(kind,))
    sizes = None if kind is AxisType.Explicit else (40, 8)
    attend = lambda *x: fuse(*x, block_sizes=sizes)  # noqa: E731
    with jax.set_mesh(mesh):
        sharding = NamedSharding(mesh, PartitionSpec(None, "t"))
        shared = [jax.device_put(arrays[0], sharding), *arrays[1:]]
        out = jax.jit(attend)(*shared)
    assert out.sharding.is_equivalent_to(sharding, 4)
    agree(out, unfused(*arrays)[0], 3e-6)


Q, K, V = data()
BAD = {
    "two axes": ({"query": Q[0, 0]}, ValueError, "all three without batch; got"),
    "batch": ({"query": Q[:1]}, ValueError, r"batch size \(axis 0\); got 1 and 2"),
    "features": ({"keys": K[..., :3]}, ValueError, r"features \(axis -1\); got 8 and 3"),
    "values": ({"values": V[:, :9]}, ValueError, "keys and values alike but for"),
    "heads": ({"query": Q[:, :, :1]}, ValueError, "divide the 1 of the query; got 2"),
    "dtypes": ({"keys": K.astype(jnp.bfloat16)}, TypeError, "of one dtype; got float32, bfloat16"),
    "integers": ({"keys": K.astype("int32")}, TypeError, "floating-point data; got int32"),
    "numbers": ({"mask": np.ones((40, 24))}, TypeError, "a bool mask.*; got float"),
    "mask": ({"mask": SEEN[..., :9]}, ValueError, r"mask that broadcasts.*got .*40, 9\)"),
    "bias": ({"bias": np.ones((3, 40, 24))}, ValueError, r"bias that broadcasts.*\(3, 40, 24\)"),
    "block of 0": ({"block_sizes": (0, 8)}, ValueError, r"1 or more, queries and keys; got \(0"),
    "one size": ({"block_sizes": 8}, ValueError, "block_sizes as two integers"),
    "window": ({"local_window_size": (-1, 3)}, ValueError, "local_window_size as two integers"),
    "lengths": ({"query_seq_lengths": np.ones(3)}, ValueError, "as 2 integers, one an example"),
    "rate": ({"rate": 1.5}, ValueError, "rate in"),
    "axis": ({"broadcast_dims": (4,)}, ValueError, "broadcast_dims among the 4 axes"),
    "bits": ({"bits": 4}, ValueError, "bits to be 8, 16 or 32"),
    "key": ({"key": Q}, TypeError, "The key comes first"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    changed, kind, message = BAD[case]
    given = {"key": KEY, "query": Q, "keys": K, "values": V, "rate": RATE} | changed
    with pytest.raises(kind, match=message):
        dot_product_attention(**given)
