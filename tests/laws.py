"""The one law table: every operator is a row, and test_laws.py runs each law over all rows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp

import jaxdrop

Operator = Callable[..., jax.Array]  # (key, x, rate) -> y


@dataclass(frozen=True)
class Row:
    """An operator with its options bound, and the laws that its definition exempts it from."""

    op: Operator
    bits: int = 16
    tied: tuple[int, ...] = ()  # axes that share the mask
    exempt: frozenset[str] = frozenset()
    variant: bool = False  # of another row's operator, with options that have tests of their own
    slack: float = 0  # XLA fuses and vectorises a longer formula in one way here, in another there


def replayed(key: jax.Array, x: jax.Array, rate: jax.Array, **options: Any) -> jax.Array:
    """Dropout in its two halves: a mask drawn as a value, then applied."""
    mask = jaxdrop.keep_mask(key, rate, jnp.shape(x), **options)
    return jaxdrop.apply_mask(mask, x, rate, **options)


def tied(key: jax.Array, x: jax.Array, rate: jax.Array, **options: Any) -> jax.Array:
    """Dropout with one draw for the whole first axis."""
    return jaxdrop.dropout(key, x, rate, broadcast_dims=(0,) if jnp.ndim(x) > 1 else (), **options)


# Units, noise, ranks and the learned rate. -----------------------------------------------------


def maps(op: Operator) -> Operator:
    """An operator on feature maps: a draw a channel, shared by all other axes."""

    def mapped(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
        if jnp.ndim(x) == 0:  # it has no channels
            return op(key, jnp.asarray(x)[None], rate, batch_dim=None)[0]
        return op(key, x, rate, batch_dim=None)

    return mapped


def exact(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
    """Exact dropout; a scalar is an axis of one."""
    if jnp.ndim(x) == 0:
        return jaxdrop.exact_dropout(key, jnp.asarray(x)[None], rate)[0]
    return jaxdrop.exact_dropout(key, x, rate)


def targeted(share: float, *, scale: bool) -> Operator:
    """Targeted dropout; a scalar is an axis of one."""

    def aimed(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
        if jnp.ndim(x) == 0:
            return aimed(key, jnp.asarray(x)[None], rate)[0]
        return jaxdrop.targeted_dropout(key, x, rate, target_share=share, scale=scale)

    return aimed


def mirrored(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
    """Dropout with the second of a pair of complementary masks."""
    mask = jaxdrop.complementary_masks(key, rate, jnp.shape(x))[1]
    return jaxdrop.apply_mask(mask, x, rate)


def slope(op: Operator) -> Operator:
    """What an affine operator multiplies `x` by, times `x`: 0 where it is dropped."""

    def linear(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
        return jax.jvp(lambda x: op(key, x, rate), (x,), (x,))[1]

    return linear


def concrete(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
    """Concrete dropout with a rate in place of its logit."""
    rate = jnp.asarray(rate, jnp.float32)
    return jaxdrop.concrete_dropout(key, x, jnp.log(rate) - jnp.log1p(-rate))


# There is no mask: nothing is 0, so nothing can be selected, counted or nested.
MASKLESS = frozenset({"selection", "generators", "nesting"})
# A dropped element is not 0 and the mean of x is no invariant. The slope's row has the mask's laws.
AFFINE = frozenset({"linear", "mean"}) | MASKLESS
# Only x times the mask: not the range of the scale, nor what is checked before it is derived.
SLOPE = frozenset({"mean", "kinds", "swapped", "selection", "rate 0"})
# A rate for each entry along the axis has no count; and round(rate * n) may be 0, or n.
EXACT = frozenset({"array rate", "almost 1"})
# Entries that are no targets stay at any rate, and x alone decides which they are.
TARGETED = frozenset(
    {"rate 1", "clipped", "mean", "selection", "generators", "dtype", "linear", "residuals"}
)

UNITS = {
    "dropout-classical": Row(
        partial(jaxdrop.dropout, scale=False),
        exempt=frozenset({"mean"}),  # it shrinks; inference makes up for that
        variant=True,
    ),
    "spatial_dropout": Row(maps(jaxdrop.spatial_dropout), tied=(0,)),
    "alpha_dropout": Row(jaxdrop.alpha_dropout, exempt=AFFINE, slack=1e-6),
    "alpha_dropout-slope": Row(slope(jaxdrop.alpha_dropout), exempt=SLOPE, slack=1e-6),
    "feature_alpha_dropout": Row(
        maps(jaxdrop.feature_alpha_dropout), tied=(0,), exempt=AFFINE, slack=1e-6
    ),
    "gaussian_dropout": Row(
        jaxdrop.gaussian_dropout,
        exempt=frozenset({"rate 1", "clipped"}) | MASKLESS,  # no variance at rate 1
        slack=1e-5,
    ),
    "gaussian_noise": Row(
        lambda key, x, rate: jaxdrop.gaussian_noise(key, x, rate),  # its stddev
        exempt=frozenset({"rate 1", "out of range", "clipped", "linear"}) | MASKLESS,
        slack=1e-6,
    ),
    "exact_dropout": Row(exact, exempt=EXACT),
    "targeted_dropout": Row(targeted(0.5, scale=False), exempt=TARGETED),
    "targeted_dropout-all": Row(
        targeted(1.0, scale=True),
        exempt=frozenset({"residuals"}),  # x, for its ranks
    ),
    "complementary_masks": Row(mirrored, exempt=frozenset({"residuals"})),  # the mask is a value
    "concrete_dropout": Row(
        concrete,
        exempt=frozenset(
            # The rate is learned, by its logit, and the soft mask has no entry that is surely 0.
            {"out of range", "clipped", "dtype", "kinds", "mean", "rate gradient", "residuals"}
            | {"swapped"}
            | MASKLESS
        ),
        slack=1e-5,
    ),
}

TABLE = {
    "dropout": Row(jaxdrop.dropout),
    "dropout-8": Row(partial(jaxdrop.dropout, bits=8), bits=8),
    "dropout-32": Row(partial(jaxdrop.dropout, bits=32), bits=32),
    "dropout-tied": Row(tied, tied=(0,)),
    "keep_mask-apply_mask": Row(replayed, exempt=frozenset({"residuals"})),  # the mask is a value
    "keep_mask-apply_mask-8": Row(
        partial(replayed, bits=8), bits=8, exempt=frozenset({"residuals"}), variant=True
    ),
    **UNITS,
}


# Paths, weights, sequences, attention.

FEW = frozenset({"array rate", "almost 1"})  # rates of shape (n, 1, ...); at most eight draws


def lifted(op: Operator, rank: int, *, leading: bool = False, **options: Any) -> Operator:
    """The operator on data of any rank, by axes of size 1 after the others, or before them."""

    bound = partial(op, **options)

    @wraps(bound)
    def run(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
        ones = (1,) * (rank - jnp.ndim(x))
        if jnp.ndim(x) and not isinstance(rate, str | None) and jnp.ndim(rate) and not leading:
            rate = jnp.reshape(rate, (*jnp.shape(rate), *ones))
        shape = (*ones, *jnp.shape(x)) if leading else (*jnp.shape(x), *ones)
        return bound(key, jnp.reshape(x, shape), rate).reshape(jnp.shape(x))

    return run


def zoned(key: jax.Array, x: jax.Array, rate: jax.Array) -> jax.Array:
    """Zoneout where the previous state is 0, so that what it keeps looks dropped."""
    return jaxdrop.zoneout(key, jnp.zeros_like(x), x, rate)


TABLE |= {
    "drop_path": Row(lifted(jaxdrop.drop_path, 1), tied=(1,), exempt=FEW),
    # Without its scale the mean is the keep probability times x.
    "drop_path-unscaled": Row(
        lifted(jaxdrop.drop_path, 1, leading=True, batch_dim=-1, scale=False),
        tied=(0,),
        exempt=frozenset({"mean"}),
        variant=True,
    ),
    # Rates are per example; something stays only where a whole block has no seed; the mean holds
    # per example; a map of unknown size has no plan of blocks.
    "drop_block": Row(lifted(jaxdrop.drop_block, 3, block_size=2), exempt=FEW | {"mean", "export"}),
    # Issue 4 names its data `weights`.
    "drop_connect": Row(jaxdrop.drop_connect, exempt=frozenset({"signature"})),
    # Issue 4 names its data `table`.
    "embedding_dropout": Row(
        lifted(jaxdrop.embedding_dropout, 2), tied=(1,), exempt=FEW | {"signature"}
    ),
    "locked_dropout": Row(lifted(jaxdrop.locked_dropout, 2, leading=True, time_dim=-2), tied=(0,)),
    # What is not taken over keeps the previous state: nothing is rescaled.
    "zoneout": Row(zoned, exempt=frozenset({"mean"})),
    "token_dropout": Row(lifted(jaxdrop.token_dropout, 2), tied=(1,), exempt=FEW),
    # Issue 4 names its data `weights`.
    "attention_dropout": Row(
        lifted(jaxdrop.attention_dropout, 2, leading=True), exempt=frozenset({"signature"})
    ),
}
