"""How an arm is trained: numbers alone, all traced, so that any set of arms is one program."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from experiments.errors import expect

Number = Float[Array | np.ndarray, "*arms"] | Any  # by default plain numbers


class Recipe(NamedTuple):
    """The settings of an arm, or of several: then each leaf begins with them."""

    rates: Float[Array | np.ndarray, "*arms sites"]
    learning_rate: Number = 3e-3
    weight_decay: Number = 1e-4
    warmup: Number = 0.0
    """Share of the training in which the learning rate rises from 0."""
    decay: Number = 1.0
    """By which share of itself the learning rate falls, along a half cosine."""
    smoothing: Number = 0.0
    """Of the labels: which share of the probability goes to all classes alike."""
    patience: Number = 0.0
    """Epochs without a better loss on held-out images after which training stops; 0 is never."""
    shift: Number = 0.0
    """Pixels at most by which a training image is moved, in each direction."""
    flip: Number = 0.0
    """Probability that it is mirrored."""
    crop: Number = 0.0
    """Share of its sides that is cut off at most, before it is scaled back."""
    begin: Number = 0.0
    """Share of the training after which dropout begins."""
    end: Number = 1.0
    """Share of the training after which it ends."""


DEFAULTS = Recipe._field_defaults


def recipe(sites: Sequence[str], rates: Mapping[str, float], **numbers: float) -> Recipe:
    """One arm: rates by patterns of site names, of which the last that matches counts."""
    for pattern in rates:
        known = any(fnmatch(site, pattern) for site in sites)
        expect(known, f"a site among {', '.join(sites)}", repr(pattern))
    found = [[rate for name, rate in rates.items() if fnmatch(site, name)] for site in sites]
    row = [matching[-1] if matching else 0.0 for matching in found]
    settings = {name: np.array(value, np.float32) for name, value in (DEFAULTS | numbers).items()}
    return Recipe(np.array(row, np.float32), **settings)


def stack(recipes: Sequence[Recipe]) -> Recipe:
    """Many arms."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *recipes)


def optimizer(recipe: Recipe, steps: int) -> optax.GradientTransformation:
    """AdamW."""
    return optax.adamw(schedule(recipe, steps), weight_decay=jnp.asarray(recipe.weight_decay))


def schedule(recipe: Recipe, steps: int) -> optax.Schedule:
    """The learning rate of each step, counted from 0."""
    peak, least = jnp.asarray(recipe.learning_rate), 1 - jnp.asarray(recipe.decay)
    cosine = optax.cosine_decay_schedule(peak, steps, least)
    rise = jnp.maximum(recipe.warmup * steps, 1)
    return lambda count: cosine(count) * jnp.minimum((count + 1) / rise, 1)


def rates_at(recipe: Recipe, progress: Float[Array, ""]) -> Float[Array, " sites"]:
    """The rates when such a share of the training is done."""
    on = (recipe.begin <= progress) & (progress < recipe.end)
    return jnp.where(on, recipe.rates, 0)


def loss(recipe: Recipe, outputs: Float[Array, "*batch outputs"], y: Any) -> Float[Array, ""]:
    """Mean cross-entropy against smoothed labels; of real targets the mean squared error."""
    if jnp.issubdtype(y.dtype, jnp.floating):
        return jnp.mean((outputs - y) ** 2)
    hard = optax.softmax_cross_entropy_with_integer_labels(outputs, y)
    soft = -jax.nn.log_softmax(outputs).mean(-1)
    return jnp.mean((1 - recipe.smoothing) * hard + recipe.smoothing * soft)
