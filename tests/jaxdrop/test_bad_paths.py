"""What paths, weights, sequences, attention, losses, rates and keys refuse, and how they say it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxdrop
from jaxdrop import rates

KEY = jax.random.key(0)
IMAGE = jnp.ones((2, 6, 6, 3))
PAIR = {"a": jnp.ones(3), "b": jnp.ones(4)}

path: Any = partial(jaxdrop.drop_path, KEY)
block: Any = partial(jaxdrop.drop_block, KEY)
connect: Any = partial(jaxdrop.drop_connect, KEY)
embed: Any = partial(jaxdrop.embedding_dropout, KEY)
locked: Any = partial(jaxdrop.locked_dropout, KEY)
zone: Any = partial(jaxdrop.zoneout, KEY)
expect: Any = jaxdrop.zoneout_inference
token: Any = partial(jaxdrop.token_dropout, KEY)
attend: Any = partial(jaxdrop.attention_dropout, KEY)
r_drop: Any = jaxdrop.r_drop_loss
derive: Any = partial(jaxdrop.derive, KEY)
linear: Any = rates.linear_depth
stepwise: Any = rates.stepwise_depth
stages: Any = rates.by_stage
early: Any = rates.early
late: Any = rates.late

BAD: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: path(jnp.ones(()), 0.5), ValueError, r"batch_dim among the 0 axes"),
    (lambda: path(IMAGE, 0.5, batch_dim=4), ValueError, r"batch_dim among the 4 axes .* got 4"),
    (lambda: path(IMAGE, 0.5, batch_dim=None), TypeError, "an integer as batch_dim"),
    (lambda: path(IMAGE, 0.5, mode="rows"), ValueError, "one of row, batch; got 'rows'"),
    (lambda: path(IMAGE, jnp.full(3, 0.5)), ValueError, r"broadcasts to .* \(2, 1, 1, 1\)"),
    (lambda: path(IMAGE, jnp.full(2, 0.5), mode="batch"), ValueError, r"\(1, 1, 1, 1\)"),
    (lambda: path(IMAGE, 1.1, mode="batch", scale=False), ValueError, r"\[0, 1\]; got 1.1"),
    (lambda: block(IMAGE, 0.5, block_size=0), ValueError, "block_size of 1 or more.* got 0"),
    (lambda: block(IMAGE, 0.5, block_size=(3,)), ValueError, r"or 2 of them.* got \(3,\)"),
    (lambda: block(IMAGE, 0.5, block_size=(3, -1)), ValueError, r"got \(3, -1\)"),
    (lambda: block(IMAGE, 0.5, block_size=2.5), TypeError, "to be an integer .* got 2.5"),
    (lambda: block(IMAGE, 0.5, block_size="33"), TypeError, "to be an integer .* got '33'"),
    (lambda: block(IMAGE, 0.5), TypeError, "block_size"),
    (lambda: block(IMAGE[0, 0], 0.5, block_size=3), ValueError, "one to three spatial axes; got"),
    (lambda: block(jnp.ones((1,) * 6), 0.5, block_size=1), ValueError, "one to three spatial"),
    (lambda: block(IMAGE, 0.5, block_size=3, channel_dim=0), ValueError, "channel_dim=0"),
    (lambda: block(IMAGE, 0.5, block_size=3, channel_dim=9), ValueError, "channel_dim among"),
    (lambda: block(IMAGE, jnp.full(3, 0.5), block_size=3), ValueError, r"\(2, 1, 1, 1\); got"),
    (lambda: connect(PAIR, {"a": 0.5}), ValueError, "a pytree of them like the weights"),
    (lambda: connect(PAIR, [0.5, 0.5]), ValueError, "To leave leaves out, pass where"),
    (lambda: connect(PAIR, jnp.full(4, 0.5)), ValueError, r"broadcasts to .* \(3,\); got"),
    (lambda: connect({"a": jnp.arange(3)}, 0.5), TypeError, "floating-point data; got int32"),
    (lambda: connect(PAIR, -0.5, scale=False), ValueError, r"\[0, 1\]; got -0.5"),
    (lambda: connect(PAIR, {"a": 0.5, "b": 2.0}), ValueError, r"\[0, 1\]; got 2.0"),
    (lambda: jaxdrop.drop_connect(0, {}, 0.5), TypeError, "Expected a key; got 0"),  # pyright: ignore
    (lambda: embed(jnp.ones(5), 0.5), ValueError, r"shape \(words, features\); got shape \(5,\)"),
    (lambda: embed(jnp.ones((5, 2)), jnp.full(2, 0.5)), ValueError, r"\(5, 1\); got shape \(2,\)"),
    (lambda: embed(jnp.ones((5, 2), int), 0.5), TypeError, "floating-point data; got int32"),
    (lambda: locked(IMAGE, 0.5, time_dim=-5), ValueError, "time_dim among the 4 axes.* got -5"),
    (lambda: locked(IMAGE, 0.5, time_dim=1.0), TypeError, "an integer as time_dim"),
    (lambda: locked(IMAGE, 0.5), TypeError, "time_dim"),
    (lambda: locked(IMAGE, jnp.full((6, 6, 3), 0.5), time_dim=1), ValueError, r"\(2, 1, 6, 3\)"),
    (lambda: zone(jnp.ones(3), jnp.ones(4), 0.5), ValueError, r"one shape; got \(3,\) and \(4,\)"),
    (lambda: zone(jnp.ones(3), jnp.ones(3, "bfloat16"), 0.5), TypeError, "float32 and bfloat16"),
    (lambda: zone(jnp.ones(3, int), jnp.ones(3), 0.5), TypeError, "floating-point data; got int32"),
    (lambda: expect(jnp.ones(3), jnp.ones(3), 1.5), ValueError, r"\[0, 1\]; got 1.5"),
    (lambda: expect(jnp.ones(3), jnp.ones(4), 0.5), ValueError, "previous and new of one shape"),
    (lambda: token(jnp.ones(5), 0.5), ValueError, r"shape \(..., tokens, features\); got"),
    (lambda: token(IMAGE, 0.5, keep_first=7), ValueError, "keep_first between 0 and 6; got 7"),
    (lambda: token(IMAGE, 0.5, keep_first=-1), ValueError, "keep_first between 0 and 6; got -1"),
    (lambda: token(IMAGE, 0.5, keep_first=0.5), TypeError, "an integer as keep_first; got 0.5"),
    (lambda: token(IMAGE, 0.5, mode="drop"), ValueError, "one of mask, remove; got 'drop'"),
    (lambda: token(IMAGE, jnp.full(6, 0.5), mode="remove"), ValueError, r"got shape \(6,\)"),
    (lambda: token(IMAGE, 1.5, mode="remove"), ValueError, r"\[0, 1\]; got 1.5"),
    (
        lambda: jax.jit(lambda rate: token(IMAGE, rate, mode="remove"))(0.5),
        TypeError,
        "a concrete rate, because it decides a shape",
    ),
    (lambda: attend(jnp.ones(5), 0.5), ValueError, r"shape \(..., queries, keys\); got"),
    (lambda: attend(IMAGE, 0.5, broadcast_dims=(4,)), ValueError, "among the 4 axes .* got 4"),
    (lambda: r_drop(jnp.ones((2, 3)), jnp.ones(3)), ValueError, r"got \(2, 3\) and \(3,\)"),
    (lambda: r_drop(jnp.ones(()), jnp.ones(())), ValueError, r"shape \(..., classes\); got"),
    (lambda: r_drop(jnp.ones(3, int), jnp.ones(3, int)), TypeError, "floating-point data"),
    (lambda: r_drop(jnp.ones(3), jnp.ones(3, "float16")), TypeError, "float32 and float16"),
    (lambda: linear(0, 0.5), ValueError, "number of blocks of 1 or more; got 0"),
    (lambda: linear(2.0, 0.5), TypeError, "an integer as number of blocks; got 2.0"),
    (lambda: linear(3, 1.5), ValueError, r"\[0, 1\]; got 1.5"),
    (lambda: linear(3, (0.1, 0.2)), ValueError, r"got shape \(2,\)"),
    (lambda: stepwise(3, 0.1, -0.1, 0.5), ValueError, "a step of 0 or more; got -0.1"),
    (lambda: stepwise(3, 0.1, 0.1, 5), ValueError, r"\[0, 1\]; got 5.0"),
    (lambda: stages((2, 3), (0.1,)), ValueError, "each of 2 stages; got 1"),
    (lambda: stages((2, 0), (0.1, 0.2)), ValueError, "number of blocks of 1 or more; got 0"),
    (lambda: stages((2, 3), 0.1), TypeError, "a sequence of rates.* got 0.1"),
    (lambda: stages((2, 3), (0.1, "0.2")), TypeError, "a real number"),
    (lambda: early(0.5, 0), ValueError, "a cutoff above 0; got 0"),
    (lambda: early(0.5, 10, decay="cosine"), ValueError, "linear, constant; got 'cosine'"),
    (lambda: early(-0.5, 10), ValueError, r"\[0, 1\]; got -0.5"),
    (lambda: late(0.5, -1), ValueError, "a start of 0 or more; got -1"),
    (lambda: late(float("nan"), 10), ValueError, r"\[0, 1\]; got nan"),
    (lambda: early(0.5, "a"), TypeError, "a real number .* as cutoff; got 'a'"),
    (lambda: early(0.5, None), TypeError, "a real number .* as cutoff; got None"),
    (lambda: early(0.5, float("nan")), ValueError, "a cutoff above 0; got nan"),
    (lambda: early(0.5, float("inf")), ValueError, "a cutoff above 0; got inf.* finite"),
    (lambda: early(0.5, 10)("a"), TypeError, "a real number .* as step; got 'a'"),
    (lambda: late(0.5, None), TypeError, "a real number .* as start; got None"),
    (lambda: late(0.5, [1, 2]), ValueError, r"one number as start; got shape \(2,\)"),
    (lambda: late(0.5, 10)(KEY), TypeError, "a real number .* as step; got a key"),
    (lambda: stages(3, (0.1,)), TypeError, "a sequence of numbers of blocks.* got 3"),
    (lambda: connect(PAIR, 0.5, where="a"), TypeError, "where to be a function .* got 'a'"),
    (lambda: connect(PAIR, 0.5, where=1), TypeError, "where to be a function .* got 1"),
    (lambda: connect(PAIR, KEY), TypeError, "a real number .* as rate; got a key"),
    (
        lambda: jaxdrop.drop_connect(PAIR, KEY, 0.5),  # pyright: ignore
        TypeError,
        r"comes first: drop_connect\(key, weights, rate\)",
    ),
    (lambda: embed(jnp.ones((2, 2)), [[1], [1, 2]]), TypeError, r"a real number .*\[1, 2\]"),
    (lambda: derive(step=1, layer="\ud800"), ValueError, r"Unicode characters; got '\\ud800'"),
    (lambda: derive(step=1, layer=b"a"), TypeError, "an integer as layer; got b'a'. A name"),
    (lambda: derive(step=1, layer=["a"]), TypeError, "an integer as layer"),
    (lambda: derive(step=KEY), TypeError, "an integer as step; got"),
    (lambda: derive(step=None), TypeError, "an integer as step; got None"),
    (lambda: jaxdrop.derive(1, step=KEY), TypeError, r"comes first: derive\(root, step=...\)"),  # pyright: ignore
    (lambda: jaxdrop.shard_key("a", KEY), TypeError, r"first: shard_key\(key, axis_name\)"),  # pyright: ignore
    (lambda: derive(), TypeError, "step"),
    (lambda: derive(step=-1), ValueError, r"step in \[0, 2\*\*32\); got -1"),
    (lambda: derive(step=2**32), ValueError, "got 4294967296"),
    (lambda: derive(step=1.0), TypeError, "an integer as step; got 1.0"),
    (lambda: derive(step=True), TypeError, "an integer as step; got True"),
    (lambda: derive(step="1"), TypeError, "an integer as step; got '1'"),
    (lambda: derive(step=1, layer=0.5), TypeError, "an integer as layer; got 0.5"),
    (lambda: derive(step=1, microbatch=-2), ValueError, "microbatch in .* got -2"),
    (lambda: derive(step=jnp.arange(3)), ValueError, r"one step; got shape \(3,\)"),
    (lambda: jaxdrop.derive(7, step=1), TypeError, "Expected a key; got 7"),  # pyright: ignore
    (
        lambda: jaxdrop.derive(jax.random.split(KEY), step=1),
        ValueError,
        r"one key; got keys of shape \(2,\)",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_input_is_refused_and_named(
    call: Callable[[], object], error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        call()
