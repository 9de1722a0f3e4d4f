"""What designs begin with."""

from types import SimpleNamespace
from typing import Any

import pytest

from experiments.studies.design import maps


@pytest.mark.parametrize(("side", "stride"), [(8, 1), (16, 1), (28, 2)])
def test_the_first_convolution_halves_larger_images(side, stride):
    data: Any = SimpleNamespace(inputs=side**2, classes=10)
    of_image = {"image": (side, side, 1), "classes": 10, "stride": stride}
    assert maps(data) == of_image
    assert maps(data, pool=True) == of_image | {"pool": True}
