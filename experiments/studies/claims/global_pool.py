"""Do batch norm and global average pooling reduce the need for dropout?

Claim: dropout before the classifier gains less in a convolutional network that has them than in one
with a wide dense layer and without norm.

Arms: none and 0.5 on what enters the classifier, the last linear layer.

Takes about 6 minutes on two cores, 13 with --until-decided.

Came out (32 seeds, digits and mnist5k): supported for both together, open for the norm alone.
Dropout gains 0.80 ± 0.40 points with the dense head on the digits and 1.55 ± 0.45 on mnist5k; that
is 1.2 ± 0.6 and 3.0 ± 1.0 more than with norm and global pooling, but only 0.33 ± 0.45 and 0.35 ±
0.55 more than with norm and the dense head, which 80 to 100 seeds would decide.
"""

from functools import partial

from experiments.models import Convolutional
from experiments.studies.design import Case, Design, at, images, interaction, maps, more, pair
from experiments.studies.settings import BOTH, Settings

CLAIM = "batch norm and global average pooling reduce the need for dropout"
DEFAULTS = Settings(dataset=BOTH, train_size=300, epochs=100, seeds=16, most_seeds=32)


def design(settings: Settings) -> Design:
    """A case for each head, and one with the norm alone."""
    data = images(settings)
    features = (16,) if settings.smoke else (16, 32)
    of = partial(maps, data, features=features, pool=True)
    networks = {
        "dense": (Convolutional(**of(hidden=(128,))), "dense1"),
        "dense and norm": (Convolutional(**of(hidden=(128,), norm=True)), "dense1"),
        "norm and global pooling": (Convolutional(**of(norm=True, global_pool=True)), "dense"),
    }
    cases = {
        name: Case(network, data, at((0.5,), last)) for name, (network, last) in networks.items()
    }
    gains = {name: pair(name, "0.5", "none") for name in cases}
    contrasts = [more("dense: gain of dropout", *gains["dense"])]
    contrasts += [
        interaction(f"gain in dense over that in {name}", gains["dense"], gains[name])
        for name in list(cases)[1:]
    ]
    return Design(cases, contrasts)
