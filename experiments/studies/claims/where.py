"""Is dropout at one end of the network enough?

Claim: only the input, or only the last hidden layer, is not enough: dropout on all hidden layers
generalises better. The usual advice of tutorials, which put it behind every dense layer.

Arms: none, input 0.2, last hidden layer 0.5, all hidden layers 0.5, input 0.2 and hidden 0.5.

Takes about 2 minutes on two cores, 10 with --until-decided.

Came out (128 seeds, digits and mnist5k): mixed. On the digits all hidden layers gain no more on the
last one alone than matters (+0.12 ± 0.16 points); on mnist5k that is open (+0.13 ± 0.18). Over the
input alone it is open on both (+0.02 ± 0.87 and -0.16 ± 0.32): more seeds would not decide it,
5,000 test images might.
"""

from experiments.studies.design import Arm, one_case, over, perceptron
from experiments.studies.settings import BOTH, Settings

CLAIM = "dropout on only the input or only the last layer is not enough"
DEFAULTS = Settings(dataset=BOTH, epochs=100, seeds=32, most_seeds=128)
ARMS = {
    "none": Arm(),
    "input": Arm({"input": 0.2}),
    "last": Arm({"post2": 0.5}),
    "hidden": Arm({"post*": 0.5}),
    "input and hidden": Arm({"input": 0.2, "post*": 0.5}),
}
CONTRASTS = [
    over("mlp", "hidden", "input", "all hidden layers over the input alone"),
    over("mlp", "hidden", "last", "all hidden layers over the last alone"),
]
design = one_case("mlp", perceptron, ARMS, CONTRASTS)
