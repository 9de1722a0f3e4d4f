"""Does dropout belong on dense layers rather than on convolutions?

Claim: on the dense layers of a VGG- or AlexNet-style network 0.2 to 0.5 helps; on convolutions 0.5
is too much, and 0.1 to 0.3 is right.

Arms: none, 0.2 and 0.5 on the two dense layers, 0.1, 0.3 and 0.5 on the elements of all
convolutions' maps, and 0.5 and 0.1 on both.

Takes about 8 minutes on two cores, 16 with --until-decided.

Came out (16 seeds, digits and mnist5k): mixed. On the dense layers 0.5 gains 1.1 to 2.2 points in
both styles on both (± 0.5 to 1.0). On the convolutions of mnist5k 0.5 is not too much: 0.1 is 1.2 ±
0.9 points worse in the VGG style and 1.0 ± 0.9 in AlexNet's; on the digits that is open (+0.2 ± 1.1
and +1.1 ± 1.5). Between dense layers and convolutions at 0.5 all is open.
"""

from experiments.models import Vgg
from experiments.studies.design import Arm, Case, Design, images, maps, over
from experiments.studies.settings import BOTH, Settings

CLAIM = "dropout belongs on dense layers at 0.2-0.5, on convolutions at 0.1-0.3"
DEFAULTS = Settings(dataset=BOTH, train_size=300, epochs=100, most_seeds=16)
DENSE, CONVOLUTIONS = "dense*", "conv*.element"
ARMS = (
    {"none": Arm()}
    | {f"dense {rate}": Arm({DENSE: rate}) for rate in (0.2, 0.5)}
    | {f"conv {rate}": Arm({CONVOLUTIONS: rate}) for rate in (0.1, 0.3, 0.5)}
    | {"both": Arm({DENSE: 0.5, CONVOLUTIONS: 0.1})}
)
CLAIMED = {
    "dense 0.5 over none": ("dense 0.5", "none"),
    "dense 0.5 over convolutions 0.5": ("dense 0.5", "conv 0.5"),
    "convolutions 0.1 over 0.5": ("conv 0.1", "conv 0.5"),
}


def design(settings: Settings) -> Design:
    """A case for each style."""
    data, few = images(settings), ((1, 16),)
    vgg, alexnet = (few, few) if settings.smoke else (((1, 16), (1, 32)), ((1, 16), (2, 32)))
    styles = {
        "vgg": Vgg(**maps(data, blocks=vgg)),
        "alexnet": Vgg(**maps(data, blocks=alexnet, kernel=5)),
    }
    cases = {name: Case(network, data, ARMS) for name, network in styles.items()}
    contrasts = [
        over(name, *arms, f"{name}: {words}") for name in cases for words, arms in CLAIMED.items()
    ]
    return Design(cases, contrasts)
