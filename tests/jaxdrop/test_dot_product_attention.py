"""Attention with dropout against softmax, `attention_dropout`, product; its masks to the bit."""

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
):
    sizes = (
        (batch, queries, heads, features),
        (batch, keys, of_keys or heads, features),
        (batch, keys, of_keys or heads, values),
    )
    normal = np.random.default_rng(1).normal
    return [jnp.asarray(normal(size=size).astype(jnp.dtype(dtype))) for size in sizes]


def fuse(*arrays, rate=RATE, **options):
    query, keys, values = arrays
    return dot_product_attention(KEY, query, keys, values, rate, **options)


def unfused(*arrays, rate=RATE, bias=None, seen=None, **options):
    """The definition; `seen` says which key each query sees."""
    query, keys, values = arrays
    groups = query.shape[2] // keys.shape[2]
    keys, values = (jnp.repeat(x, groups, axis=2) for x in (keys, values))
    wide = None if query.dtype == "float64" else jnp.float32
    logits = jnp.einsum("btnh,bsnh->bnts", query, keys, preferred_element_type=wide)
    logits = logits / query.shape[-1] ** 0.5
    logits = logits if bias is None else logits + jnp.broadcast_to(bias, logits.shape)
    seen = jnp.broadcast_to(True if seen is None else seen, logits.shape)
    weights = jnp.where(seen, jax.nn.softmax(jnp.where(seen, logits, -1e30)), 0)
    weights = jaxdrop.dropout(KEY, weights, rate, **options)
    out = jnp.einsum("bnts,bsnv->btnv", weights.astype(values.dtype), values)
    return out.astype(query.dtype)


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
SEEN = np.asarray(jax.random.bernoulli(jax.random.key(5), 0.7, (1, 2, 40, 24)))
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
    seen = jnp.broadcast_to(seen, (2, 2, 40, 24))
    agree(with_gradients(fused, *data()), hidden(seen, *data()), 2e-6)


@jax.jit  # one program for all ways to hide
def hidden(seen, *arrays):
    return with_gradients(lambda *x: unfused(*x, seen=seen), *arrays)


SIZES: dict[str, Any] = {
    "ragged": {"queries": 37, "keys": 29},
    "five": {"queries": 5, "keys": 5},
    "lanes along heads": {"queries": 5, "keys": 5, "heads": 9, "of_keys": 3},
    "lanes along the batch": {"queries": 2, "keys": 40, "batch": 8},
    "decoding": {"queries": 1, "keys": 40},
    "lanes along the keys, far apart": {"queries": 1, "keys": 1100},
    "one head of keys": {"heads": 4, "of_keys": 1},
    "strides of eight": {"queries": 1024, "keys": 9, "batch": 1},
    "no keys": {"keys": 0},
    "no queries": {"queries": 0},
}


@pytest.mark.parametrize("sizes", SIZES)
def test_it_is_softmax_dropout_product(sizes):
    arrays = data(**SIZES[sizes])
    bias = jnp.asarray(np.sin(np.add.outer(*(np.arange(x.shape[1]) for x in arrays[:2]))))
    fused = lambda q, k, v, b: dot_product_attention(KEY, q, k, v, RATE, bias=b)  # noqa: E731
    plain = lambda q, k, v, b: unfused(q, k, v, bias=b[None, None])  # noqa: E731
    agree(with_gradients(fused, *arrays, bias), with_gradients(plain, *arrays, bias), 3e-6)


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
    plain = lambda *x: unfused(*x, **options)  # noqa: E731
    agree(with_gradients(fused, *data()), with_gradients(plain, *data()), 2e-6)


def test_bfloat16_is_summed_in_float32():
    arrays = data(dtype="bfloat16")
    fused = lambda *x: fuse(*x, block_sizes=BLOCKS)  # noqa: E731
    out, gradients = with_gradients(fused, *arrays)
    assert {x.dtype for x in (out, *gradients)} == {jnp.dtype("bfloat16")}
    agree((out, gradients), with_gradients(lambda *x: unfused(*x), *arrays), 1e-2)
    ones = jnp.ones((1, 1, 4096, 1), "bfloat16").swapaxes(1, 2).reshape(1, 4096, 1, 1)
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
    ones = jnp.ones((1, 4000, 1, 1), "bfloat16")
    attend = lambda values: fuse(ones, ones[:, :1], values, rate=0, block_sizes=(8, 1)).sum()  # noqa: E731
    assert jax.grad(attend)(ones[:, :1]).item() == 4000  # in bfloat16 a sum of eights stops at 2048


def test_float64_stays_float64_and_float32_float32():
    options = HIDING["lengths"][0] | {"is_causal": True, "block_sizes": BLOCKS}
    run = lambda *x: with_gradients(lambda *x: fuse(*x, **options), *x)  # noqa: E731
    seen = HIDING["lengths"][1] & (COLUMNS <= ROWS)
    with jax.enable_x64(True):
        short, long = run(*data()), run(*(x.astype("float64") for x in data()))
        plain = jax.jit(lambda *x: unfused(*x, seen=seen))(*(x.astype("float64") for x in data()))
    assert {x.dtype for x in jax.tree.leaves(short)} == {np.dtype("float32")}
    agree(short, long, 2e-6)
    agree(long[0], plain, 1e-14)


def test_heads_that_share_keys_are_heads_with_equal_keys():
    query, keys, values = data(heads=4, of_keys=2)
    apart = [query, *(jnp.repeat(x, 2, axis=2) for x in (keys, values))]
    agree(
        fuse(query, keys, values),
        fuse(*apart),
    )


def test_without_a_batch_it_is_a_batch_of_one():
    arrays = data(batch=1)
    alone = fuse(*(x[0] for x in arrays), is_causal=True)
    np.testing.assert_array_equal(alone, fuse(*arrays, is_causal=True)[0])


def weights(key, shape, rate=RATE, **options):
    """Zero logits and values that are a unit matrix show the weights."""
    batch, heads, queries, keys = shape
    unit = jnp.broadcast_to(jnp.eye(keys)[None, :, None], (batch, keys, heads, keys))
    query, zeros = jnp.zeros((batch, queries, heads, 1)), jnp.zeros((batch, keys, heads, 1))
    return dot_product_attention(key, query, zeros, unit, rate, **options).swapaxes(1, 2)


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


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 40), (1, 9, 3, 4), (8, 1, 2, 5), (2, 2, 2, 2), (1, 1, 70, 1025)]
)
@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
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
    legacy = weights(jax.random.key_data(KEY), MASKED)
    np.testing.assert_array_equal(legacy != 0, jaxdrop.keep_mask(KEY, RATE, MASKED))


def test_rate_0_is_no_dropout_to_the_bit():
    arrays = data(values=8)
    run = lambda rate, *x: with_gradients(lambda *x: fuse(*x, rate=rate), *x)  # noqa: E731
    off, traced = run(0, *arrays), jax.jit(run)(0.0, *arrays)
    agree(off, with_gradients(jax.nn.dot_product_attention, *arrays), 2e-6)
    for one, other in zip(jax.tree.leaves(traced), jax.tree.leaves(off), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rate", [1.0, jnp.nan])
def test_rate_1_and_nan_drop_everything(rate):
    run = jax.jit(lambda r: with_gradients(lambda *x: fuse(*x, rate=r), *data()))
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(run(rate)))


def test_lengths_may_be_mapped():
    lengths, arrays = jnp.array([7, 0]), data(batch=1)
    attend = lambda length, *x: fuse(*x, key_value_seq_lengths=length[None], block_sizes=BLOCKS)  # noqa: E731
    mapped = jax.vmap(attend, (0, None, None, None))
    twice = lambda *x: jax.vmap(mapped, (0, None, None, None))(lengths[:, None], *x)[:, 0]  # noqa: E731
    alone = lambda *x: jnp.stack([attend(length, *x) for length in lengths])  # noqa: E731
    agree(with_gradients(twice, *arrays), with_gradients(alone, *arrays), 2e-6)


def test_a_query_that_sees_nothing_gives_0_and_no_gradient():
    seen = jnp.ones((40, 24), bool).at[5].set(False)
    attend = lambda *x: fuse(*x, mask=seen, block_sizes=BLOCKS)  # noqa: E731
    out, (of_query, *others) = with_gradients(attend, *data())
    assert (out[:, 5] == 0).all()
    assert (of_query[:, 5] == 0).all()
    assert all(jnp.isfinite(gradient).all() for gradient in (of_query, *others))


def test_derivatives_of_every_kind():
    query, keys, values = data(queries=6, keys=5, heads=1, batch=1, features=3)
    fused = lambda q: dot_product_attention(KEY, q, keys, values, RATE, block_sizes=(2, 2))  # noqa: E731
    plain = lambda q: unfused(q, keys, values)  # noqa: E731
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
    arrays = data()
    half = [arrays[0] / 2, *arrays[1:]]
    run = jax.jit(lambda scale: fuse(*arrays, scale=scale))
    expected = fuse(*half, scale=1.0)
    agree(run(0.5), expected)
    agree(fuse(*arrays, scale=0.5), expected)


def test_a_large_scale_does_not_overflow_in_float16():
    """65,504 is the largest number there is; logits are in float32."""
    query, keys, values = data(dtype="float16")
    large = fuse(300 * query, keys / 300, values, scale=1024.0)
    agree(large, fuse(query, keys, values, scale=1024.0), 2e-2)


def sizes_in(program):
    """Elements of all arrays of a compiled program."""
    shapes = re.findall(r"(?:f32|bf16|f16|u32|s32|pred|u8|s8)\[([\d,]+)\]", program)
    return {int(np.prod([int(n) for n in shape.split(",")])) for shape in shapes}


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"rate": 0.0}])
def test_nothing_of_queries_times_keys_is_held(options):
    options = {"rate": RATE, **options}
    arrays = data(queries=2048, keys=2048, batch=1, heads=1, features=4, values=4)
    loss = lambda *x: jnp.sum(fuse(*x, **options) ** 2)  # noqa: E731
    program = jax.jit(jax.grad(loss, argnums=(0, 1, 2))).lower(*arrays).compile().as_text() or ""
    assert max(sizes_in(program)) < 2048**2 / 8
    plain = lambda *x: jnp.sum(unfused(*x, rate=options["rate"]) ** 2)  # noqa: E731
    whole = jax.jit(jax.grad(plain, argnums=(0, 1, 2))).lower(*arrays).compile().as_text() or ""
    assert max(sizes_in(whole)) >= 1024**2


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
    alone = run(*arrays)
    with jax.set_mesh(mesh):
        sharding = NamedSharding(mesh, PartitionSpec("b", None, "n"))
        shared = [jax.device_put(x, sharding) for x in arrays]
        program = jax.jit(run).lower(*shared).compile()
        out, gradients = program(*shared)
    assert not re.search(rf" (?:{COLLECTIVES})(?:-start)?\(", program.as_text() or "")
    assert out.sharding.is_equivalent_to(sharding, 4)
    agree((out, gradients), alone, 3e-6)


@pytest.mark.parametrize("what", ["keys", "bias", "mask", "rate"])
def test_on_an_explicit_mesh_anything_may_be_sharded(what):
    query, keys, values = data(batch=4)
    given = {"keys": keys, "bias": jnp.ones((4, 2, 40, 24)), "rate": jnp.full((4, 1, 1, 1), RATE)}
    given["mask"] = jnp.broadcast_to(SEEN, (4, 2, 40, 24))
    alone = attend(query, values, given)
    with jax.set_mesh(jax.make_mesh((4,), ("b",), (AxisType.Explicit,))):
        given[what] = jax.device_put(given[what], PartitionSpec("b"))
        agree(attend(query, values, given), alone, 2e-6)


@jax.jit  # one program for all that are not sharded
def attend(query, values, given):
    return dot_product_attention(KEY, query, values=values, **given)


@pytest.mark.parametrize("shared", [False, True])
def test_inside_shard_map_it_is_what_it_is_under_vmap(shared):
    """Keys that all devices share get the sum of their gradients, in one collective at most."""
    arrays, lengths = data(batch=4), jnp.array([24, 7, 3, 16])
    arrays = [arrays[0], *(x[:1] if shared else x for x in arrays[1:])]

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
        axes = [0 if len(x) == 4 else None for x in (lengths, *arrays)]
        parts = [x[:, None] if len(x) == 4 else x for x in (lengths, *arrays)]
        run: Any = jax.vmap(shard, axes, axis_name="b")
        return run(*parts)[:, 0]

    run = jax.jit(lambda *x: with_gradients(mapped, *x)).lower(*arrays).compile()
    agree(run(*arrays), with_gradients(alone, *arrays), 2e-6)
    found = re.findall(rf" (?:{COLLECTIVES})(?:-start)?\(", run.as_text() or "")
    assert len(found) <= shared


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_sharded_queries_stay_sharded(kind):
    arrays, mesh = data(), jax.make_mesh((4,), ("t",), axis_types=(kind,))
    sizes = None if kind is AxisType.Explicit else (40, 8)
    attend = lambda *x: fuse(*x, block_sizes=sizes)  # noqa: E731
    alone = attend(*arrays)
    with jax.set_mesh(mesh):
        sharding = NamedSharding(mesh, PartitionSpec(None, "t"))
        shared = [jax.device_put(arrays[0], sharding), *arrays[1:]]
        out = jax.jit(attend)(*shared)
    assert out.sharding.is_equivalent_to(sharding, 4)
    agree(out, alone, 3e-6)


Q, K, V = data()
BAD = {
    "two axes": ({"query": Q[0, 0]}, ValueError, "all three without batch; got"),
    "batch": ({"query": Q[:1]}, ValueError, r"batch size \(axis 0\); got 1 and 2"),
    "features": ({"keys": K[..., :3]}, ValueError, r"features \(axis -1\); got 8 and 3"),
    "values": ({"values": V[:, :9]}, ValueError, "keys and values alike but for"),
    "heads": ({"query": Q[:, :, :1]}, ValueError, "divide the 1 of the query; got 2"),
    "dtypes": ({"keys": K.astype("bfloat16")}, TypeError, "of one dtype; got float32, bfloat16"),
    "integers": ({"keys": K.astype("int32")}, TypeError, "floating-point data; got int32"),
    "numbers": ({"mask": np.ones((40, 24))}, TypeError, "a bool mask.*; got float"),
    "mask": ({"mask": SEEN[..., :9]}, ValueError, r"mask that broadcasts.*got .*40, 9\)"),
    "bias": ({"bias": jnp.ones((3, 40, 24))}, ValueError, r"bias that broadcasts.*\(3, 40, 24\)"),
    "block of 0": ({"block_sizes": (0, 8)}, ValueError, r"1 or more, queries and keys; got \(0"),
    "one size": ({"block_sizes": 8}, ValueError, "block_sizes as two integers"),
    "window": ({"local_window_size": (-1, 3)}, ValueError, "local_window_size as two integers"),
    "lengths": ({"query_seq_lengths": jnp.ones(3)}, ValueError, "as 2 integers, one an example"),
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
