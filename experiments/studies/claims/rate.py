"""Is more dropout always better?

Claim: it is not. Some dropout helps, and 0.9 underfits: it generalises worse than 0.5, and does not
even fit what it was trained on as well as no dropout.

Arms: none and 0.1 to 0.95 on all hidden layers.

Takes about 3 minutes on two cores, 7 with --until-decided.

Came out (32 seeds, digits and mnist5k): supported. 0.3 gains 0.59 ± 0.43 points on none on the
digits and 0.52 ± 0.44 on mnist5k. 0.9 is 6.0 ± 2.3 and 23 ± 5 points below 0.5, and fits its own
training images 7.2 ± 0.9 and 27 ± 5 points worse than no dropout.
"""

from experiments.studies.design import at, one_case, over, perceptron
from experiments.studies.settings import BOTH, Settings

CLAIM = "more dropout is not always better: 0.9 underfits"
DEFAULTS = Settings(dataset=BOTH, epochs=100, seeds=16, most_seeds=128)
ARMS = at((0.1, 0.3, 0.5, 0.7, 0.9, 0.95), "post*")
CONTRASTS = [
    over("mlp", "0.3", "none"),
    over("mlp", "0.5", "0.9"),
    over("mlp", "none", "0.9", "fit of none over that of 0.9", "train accuracy"),
]
design = one_case("mlp", perceptron, ARMS, CONTRASTS)
