"""Do batch norm and global average pooling reduce the need for dropout?

Claim: dropout before the classifier gains less in a convolutional network that has them than in one
with a wide dense layer and without norm.

Arms: none and 0.5 on what enters the classifier, the last linear layer.

Minutes: 2 to 4 on two cores with digits alone.

Came out (16 seeds): supported for both together, not decided for the norm alone. Dropout gains 0.83
± 0.35 points with the dense head, and 1.32 ± 0.49 more than with norm and global pooling, where it
costs half a point; with norm and the dense head it still gains (0.19 ± 0.41 less).
"""

from experiments.models import Convolutional
from experiments.studies.design import Arm, Case, Design, accuracy, interaction, more
from experiments.studies.networks import images, maps
from experiments.studies.settings import BOTH, Settings

CLAIM = "batch norm and global average pooling reduce the need for dropout"
DEFAULTS = Settings(dataset=BOTH, train_size=300, epochs=100, seeds=16, most_seeds=32)


def design(settings: Settings) -> Design:
    """A case for each head, and one with the norm alone."""
    data = images(settings)
    features = (16,) if settings.smoke else (16, 32)
    of_image = maps(data, features=features, pool=True)
    networks = {
        "dense": (Convolutional(**of_image, hidden=(128,)), "dense1"),
        "dense and norm": (Convolutional(**of_image, hidden=(128,), norm=True), "dense1"),
        "norm and global pooling": (
            Convolutional(**of_image, norm=True, global_pool=True),
            "dense",
        ),
    }
    cases = {
        name: Case(network, data, {"none": Arm(), "0.5": Arm({last: 0.5})})
        for name, (network, last) in networks.items()
    }
    gains = {name: (accuracy(name, "0.5"), accuracy(name, "none")) for name in cases}
    contrasts = [more("dense: gain of dropout", *gains["dense"])]
    contrasts += [
        interaction(f"gain in dense over that in {name}", gains["dense"], gains[name])
        for name in list(cases)[1:]
    ]
    return Design(cases, contrasts)
