"""Does alpha dropout suit SELU networks only?

Claim: in a self-normalising network alpha dropout is better than dropout, and in a ReLU network it
is worse.

Arms: none, and 0.05, 0.1 and 0.3 behind each of four hidden layers of 128 units, by either kind of
dropout, with SELU and with ReLU. The claim is about 0.05 and 0.1, the rates that its authors advise
(Klambauer et al. 2017); 0.3 shows what happens beyond.

Takes about 2 minutes on two cores, 4 with --until-decided.

Came out (32 seeds): supported for two of four parts, so open. In SELU networks alpha dropout gains
0.73 ± 0.48 points on dropout at 0.05; in ReLU networks dropout gains 1.5 ± 0.9 on alpha dropout at
0.1. SELU at 0.1 (+0.40 ± 0.60) and ReLU at 0.05 (+0.30 ± 0.64) are short of test images: some 680
and 1,600 would decide them.
"""

from experiments.studies.design import Case, Design, accuracy, at, images, more, perceptron
from experiments.studies.settings import Settings

CLAIM = "alpha dropout suits SELU networks, and no others"
MASKS = ("dropout", "alpha_dropout")
DEFAULTS = Settings(epochs=60, seeds=16)
ARMS = at((0.05, 0.1, 0.3), "post*")
DEPTH = (128,) * 4


def design(settings: Settings) -> Design:
    """A case for each activation and kind."""
    data, widths = images(settings), DEPTH[:1] if settings.smoke else DEPTH
    cases = {
        f"{activation}, {kind}": Case(
            perceptron(data, widths, activation=activation, kind=kind), data, ARMS
        )
        for activation in ("selu", "relu")
        for kind in ("dropout", "alpha")
    }
    contrasts = []
    for rate in ("0.05", "0.1"):
        selu, selu_alpha, relu, relu_alpha = (accuracy(case, rate) for case in cases)
        contrasts.append(more(f"SELU: alpha over dropout at {rate}", selu_alpha, selu))
        contrasts.append(more(f"ReLU: dropout over alpha at {rate}", relu, relu_alpha))
    return Design(cases, contrasts)
