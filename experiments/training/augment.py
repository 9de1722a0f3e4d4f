"""Training images, changed at random: moved, mirrored, cropped. At 0 they stay, bit for bit."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from experiments.training.recipe import Recipe


def augment(
    key: Key[Array, ""],
    images: Float[Array, "batch inputs"],
    shape: tuple[int, int, int],
    recipe: Recipe,
) -> Float[Array, "batch inputs"]:
    """Each image in its own way."""
    keys = jax.random.split(key, len(images))
    pictures = images.reshape(-1, *shape)
    return jax.vmap(partial(_one, recipe))(keys, pictures).reshape(images.shape)


def _one(
    recipe: Recipe, key: Key[Array, ""], image: Float[Array, "height width channels"]
) -> Float[Array, "height width channels"]:
    moving, mirroring, cropping = jax.random.split(key, 3)
    steps = jax.random.uniform(moving, (2,)) * (2 * recipe.shift + 1)
    mirrored = jax.random.uniform(mirroring) < recipe.flip
    larger = 1 / (1 - recipe.crop * jax.random.uniform(cropping))
    centre = jnp.array(image.shape[:2]) / 2
    image = jnp.where(mirrored, image[:, ::-1], image)
    scale = jnp.broadcast_to(larger, (2,))
    offset = centre * (1 - larger) + jnp.floor(steps) - recipe.shift
    where = image.shape, (0, 1), scale, offset
    moved = jax.image.scale_and_translate(image, *where, "linear", antialias=False)
    return jnp.where((recipe.shift > 0) | (recipe.crop > 0), moved, image)
