"""What each kind of dropout drops, as pictures."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import jaxdrop
from experiments.report.figures import panels, picture
from experiments.report.page import Picture
from experiments.training.keys import PRNG

RATE, SIDE = 0.3, 12


def masks(key: Array, rate: float = RATE) -> Mapping[str, np.ndarray]:
    """What is left of ones, by kind: rows by columns, each a pixel, a feature or a token."""
    square, maps = jnp.ones((SIDE, SIDE)), jnp.ones((1, SIDE // 2, SIDE // 2, 16))

    def of_maps(drop: Callable[..., Array], **options: Any) -> Array:  # 16 channels, 4 by 4
        left = drop(key, maps, rate, **options)[0].reshape(SIDE // 2, SIDE // 2, 4, 4)
        return left.transpose(2, 0, 3, 1).reshape(2 * SIDE, 2 * SIDE)

    drawn = {
        "dropout": jaxdrop.dropout(key, square, rate),
        "exact_dropout: so many in each row": jaxdrop.exact_dropout(key, square, rate),
        "spatial_dropout: 4 × 4 channels": of_maps(jaxdrop.spatial_dropout),
        "drop_block: 4 × 4 channels": of_maps(jaxdrop.drop_block, block_size=3),
        "drop_path: rows are examples": jaxdrop.drop_path(key, square, rate),
        "token_dropout: rows are tokens": jaxdrop.token_dropout(key, square, rate, keep_first=1),
        "locked_dropout: rows are times": jaxdrop.locked_dropout(key, square, rate, time_dim=0),
        "alpha_dropout": jaxdrop.alpha_dropout(key, square, rate),
        "gaussian_dropout": jaxdrop.gaussian_dropout(key, square, rate),
        "concrete_dropout": jaxdrop.concrete_dropout(key, square, np.log(rate / (1 - rate))),
    }
    return {name: np.asarray(values) for name, values in drawn.items()}


def gallery(seed: int = 0, rate: float = RATE) -> Picture:
    """A panel for each kind."""
    drawn = masks(jax.random.key(seed, impl=PRNG), rate)
    figure, shown = panels(len(drawn), 5, 2.6, 2.9)
    for axes, (name, values) in zip(shown, drawn.items(), strict=True):
        axes.imshow(values, cmap="cividis", vmin=-1, vmax=2, interpolation="nearest")
        title, _, note = name.partition(": ")
        axes.set_title(title, fontsize=10)
        axes.set(xticks=[], yticks=[], xlabel=note)
    return picture(
        "what each kind of dropout drops",
        figure,
        f"What is left of ones at rate {rate:g}: dark is dropped, the brighter the more it was "
        "scaled up. One draw of each kind.",
    )
