"""Is stochastic depth the right dropout for residual networks?

Claim: dropping whole branches, more of them the deeper they are, generalises better than dropping
elements on the branches at the same rates, and than none (Huang et al. 2016).

Arms: a residual network of four blocks: none, elements and whole branches at rates that grow to 0.2
and to 0.5 in the last block. (Before, 30 epochs, which are 180 steps: few, for branches that rest.)

Takes about 5 minutes on two cores, and no more with --until-decided.

Came out (8 seeds, from seed 1): refuted at high rates. To 0.5 whole branches are 0.91 ± 0.76 points
worse than elements, and against none open (-0.13 ± 0.67); to 0.2 they are open against both (+0.15
± 0.59 and +0.27 ± 0.67), which some 110 and 41 seeds would decide. (Before: not decided, -0.30 ±
0.74 and -0.74 ± 0.89 against elements.)
"""

from experiments.models import Residual
from experiments.studies.design import Arm, Case, Design, images, over, shape
from experiments.studies.settings import Settings
from jaxdrop import rates

CLAIM = "in residual networks stochastic depth is better than element dropout"
MASKS = ("dropout", "drop_path")
DEFAULTS = Settings(train_size=300, epochs=90, seed=1, most_seeds=8)
FEATURES = (16, 16, 32, 32)


def design(settings: Settings) -> Design:
    """One residual network."""
    data, arms, contrasts = images(settings), {"none": Arm()}, []
    features = FEATURES[::2] if settings.smoke else FEATURES
    for last in (0.2, 0.5):
        row = [float(rate) for rate in rates.linear_depth(len(features), last)]
        for kind in ("element", "path"):
            sites = {f"branch{block}.{kind}": rate for block, rate in enumerate(row, 1)}
            arms[f"{kind} to {last}"] = Arm(sites)
        element, path = f"element to {last}", f"path to {last}"
        contrasts.append(over("resnet", path, element, f"branches over elements, to {last}"))
        contrasts.append(over("resnet", path, "none", f"branches over none, to {last}"))
    network = Residual(shape(data), data.classes, features)
    return Design({"resnet": Case(network, data, arms)}, contrasts)
