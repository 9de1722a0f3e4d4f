"""Does dropout on the input help with images?

Claim: a little, 0.1 or 0.2 of the pixels, helps: alone, and beside dropout on the hidden layers
(Srivastava et al. 2014 keep 0.8 of the input).

Arms: none, pixels at 0.1, 0.2 and 0.5, the hidden layers at 0.5, and both.

Takes about 3 minutes on two cores, and no more with --until-decided.

Came out (32 seeds, digits and mnist5k): mixed. On the 784 pixels of mnist5k it is supported: 0.1
gains 0.30 ± 0.27 points and 0.2 gains 0.87 ± 0.38, beside dropout on the hidden layers 0.43 ± 0.24
and 0.67 ± 0.30. On the 64 pixels of the digits all four are open, between +0.7 ± 0.9 and -0.1 ±
0.9: more seeds would not decide them, more test images would.
"""

from experiments.studies.design import Arm, at, one_case, over, perceptron
from experiments.studies.settings import BOTH, Settings

CLAIM = "a little dropout on the input helps with images"
DEFAULTS = Settings(dataset=BOTH, epochs=100, seeds=32, most_seeds=128)
HIDDEN = {"post*": 0.5}
ARMS = at((0.1, 0.2, 0.5), "input") | {
    "hidden": Arm(HIDDEN),
    "hidden and 0.1": Arm(HIDDEN | {"input": 0.1}),
    "hidden and 0.2": Arm(HIDDEN | {"input": 0.2}),
}
CONTRASTS = [
    over("mlp", "0.1", "none"),
    over("mlp", "0.2", "none"),
    over("mlp", "hidden and 0.1", "hidden"),
    over("mlp", "hidden and 0.2", "hidden"),
]
design = one_case("mlp", perceptron, ARMS, CONTRASTS)
