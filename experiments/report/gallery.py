"""What each kind of dropout drops, as pictures, for studies that compare kinds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import jaxdrop
from experiments.report.figures import WIDTH, in_style, panels, picture
from experiments.report.page import Picture
from experiments.training.keys import PRNG

RATE, SIDE = 0.3, 12
DROPPED = 0.2
"""Below it lies what was dropped, of ones."""
SAYS = {
    "dropout": "dropout drops every element by itself",
    "spatial_dropout": "spatial_dropout drops whole maps (4 × 4 channels are shown)",
    "drop_path": "drop_path drops a whole branch (a row is an example)",
    "locked_dropout": "locked_dropout drops the same features at all times (a row is a time)",
    "alpha_dropout": "alpha_dropout sets to a value below 0, so that mean and variance stay",
}


def masks(key: Array, rate: float = RATE) -> Mapping[str, np.ndarray]:
    """What is left of ones, by kind: rows by columns, each a pixel, a feature or a token."""
    square, maps = jnp.ones((SIDE, SIDE)), jnp.ones((1, SIDE // 2, SIDE // 2, 16))

    def of_maps(drop: Callable[..., Array], **options: Any) -> Array:  # 16 channels, 4 by 4
        left = drop(key, maps, rate, **options)[0].reshape(SIDE // 2, SIDE // 2, 4, 4)
        return left.transpose(2, 0, 3, 1).reshape(2 * SIDE, 2 * SIDE)

    drawn = {
        "dropout": jaxdrop.dropout(key, square, rate),
        "spatial_dropout": of_maps(jaxdrop.spatial_dropout),
        "drop_path": jaxdrop.drop_path(key, square, rate),
        "locked_dropout": jaxdrop.locked_dropout(key, square, rate, time_dim=0),
        "alpha_dropout": jaxdrop.alpha_dropout(key, square, rate),
    }
    return {name: np.asarray(values) for name, values in drawn.items()}


@in_style()
def gallery(kinds: Sequence[str], seed: int = 0, rate: float = RATE) -> Picture:
    """A panel for each kind."""
    drawn = masks(jax.random.key(seed, impl=PRNG), rate)
    figure, shown = panels(len(kinds), 2, WIDTH / 2, 2.3)
    for axes, name in zip(shown, kinds, strict=True):
        axes.imshow(drawn[name], cmap="cividis", vmin=-1, vmax=2, interpolation="none")
        axes.set(title=name, xticks=[], yticks=[])
    return picture(
        f"What this study is about: {'; '.join(SAYS[name] for name in kinds)}.",
        figure,
        f"What is left of ones at rate {rate:g}: dark is dropped, the brighter the more it was "
        "scaled up. One draw of each kind.",
        f"Dropped in this draw: {'; '.join(f'{name} {_share(drawn[name])}' for name in kinds)}.",
    )


def _share(left: np.ndarray) -> str:
    return f"{np.mean(left < DROPPED):.0%}"
