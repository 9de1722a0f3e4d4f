"""What the studies' designs begin with: images, and networks that fit them."""

import math
from typing import Any

from experiments.data.images import Dataset, load
from experiments.errors import expect
from experiments.models import Perceptron
from experiments.studies.settings import Settings

WIDTHS = (256, 128)


def images(settings: Settings, train_size: int | None = None) -> Dataset:
    """The data set asked for; if the split is fixed, of the pool so many images."""
    (name,), size = settings.dataset, train_size or settings.train_size
    return load(name, size, settings.test_size, settings.split)


def perceptron(data: Dataset, widths: tuple[int, ...] = WIDTHS, **options: Any) -> Perceptron:
    """A multilayer perceptron for these images."""
    return Perceptron((data.inputs, *widths, data.classes), **options)


def shape(data: Dataset) -> tuple[int, int, int]:
    """Height, width and channels of square images: grey ones, or else in colour."""
    for channels in (1, 3):
        side = math.isqrt(data.inputs // channels)
        if side * side * channels == data.inputs:
            return side, side, channels
    expect(False, "square images, grey or in three colours", f"{data.inputs} numbers each")
    raise AssertionError


def maps(data: Dataset, **more: Any) -> dict[str, Any]:
    """What convolutional networks take, and more.

    The first convolution halves images of more than 16 × 16, so that a study takes minutes.
    """
    image = shape(data)
    return {"image": image, "classes": data.classes, "stride": 2 if image[0] > 16 else 1} | more
