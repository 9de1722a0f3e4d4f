"""Does dropout help large networks and hurt small ones?

Claim: its gain grows with the width of the network: positive where it is wide, negative where it is
narrow.

Arms: none and 0.5 on both hidden layers, of 16, 64 and 256 units, on --train-size
images and on a quarter of them.

Takes about a minute on two cores, 2 minutes with --until-decided.

Came out (32 seeds): supported but for one part, which is open. 256 units gain 0.49 ± 0.44 points
with 400 images, and 0.22 ± 0.47 with 100, where test images are short; 16 units lose 10.8 ± 3.3 and
21 ± 4.
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
