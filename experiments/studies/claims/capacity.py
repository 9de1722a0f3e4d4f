"""Does dropout help large networks and hurt small ones?

Claim: its gain grows with the width of the network: positive where it is wide, negative where it is
narrow.

Arms: none and 0.5 on both hidden layers, of 16, 64 and 256 units, on --train-size
images and on a quarter of them.

Minutes: 1 to 2 on two cores.

Came out (16 seeds): supported. At 256 units 0.5 gains 0.41 ± 0.38 points on 100 images and 0.35 ±
0.24 on 1,000; at 16 units it costs 21 ± 5 and 6.9 ± 1.6.
"""

from experiments.studies.design import Arm, Case, Contrast, Design, accuracy, interaction, more
from experiments.studies.networks import images, perceptron
from experiments.studies.settings import Settings

CLAIM = "dropout helps large networks and hurts small ones"
DEFAULTS = Settings(epochs=60, seeds=16)
ARMS = {"none": Arm(), "0.5": Arm({"post*": 0.5})}
NARROW, WIDE = 16, 256


def design(settings: Settings) -> Design:
    """A case for each width and number of images."""
    size = settings.size_of(images(settings))
    sizes = (size,) if settings.smoke else (max(size // 4, 20), size)
    subsets = {size: images(settings, size) for size in sizes}
    widths = (NARROW, WIDE) if settings.smoke else (NARROW, 64, WIDE)
    cases = {
        _name(width, size): Case(perceptron(data, (width, width)), data, ARMS, {"train_size": size})
        for size, data in subsets.items()
        for width in widths
    }
    return Design(cases, [contrast for size in sizes for contrast in _contrasts(size)])


def _contrasts(size: int) -> list[Contrast]:
    (wide, wide_none), (narrow, narrow_none) = (
        (accuracy(_name(width, size), "0.5"), accuracy(_name(width, size), "none"))
        for width in (WIDE, NARROW)
    )
    return [
        more(f"{_name(WIDE, size)}: gain", wide, wide_none),
        more(f"{_name(NARROW, size)}: loss", narrow_none, narrow),
        interaction(
            f"{size} images: gain of wide over narrow", (wide, wide_none), (narrow, narrow_none)
        ),
    ]


def _name(width: int, size: int) -> str:
    return f"{width} units, {size} images"
