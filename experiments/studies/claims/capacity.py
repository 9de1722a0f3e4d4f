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

from experiments.studies.design import Case, Design, at, images, interaction, more, pair, perceptron
from experiments.studies.settings import Settings

CLAIM = "dropout helps large networks and hurts small ones"
DEFAULTS = Settings(epochs=60, seeds=16)
ARMS = at((0.5,), "post*")
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
    contrasts = []
    for size in sizes:
        narrow, wide = (pair(_name(width, size), "0.5", "none") for width in (NARROW, WIDE))
        contrasts += [
            more(f"{_name(WIDE, size)}: gain", *wide),
            more(f"{_name(NARROW, size)}: loss", narrow[1], narrow[0]),
            interaction(f"{size} images: gain of wide over narrow", wide, narrow),
        ]
    return Design(cases, contrasts)


def _name(width: int, size: int) -> str:
    return f"{width} units, {size} images"
