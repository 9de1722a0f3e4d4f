"""Does dropout help transformers?

Claim: little (by less than a point in either direction, wherever it stands), and stochastic depth
helps more.

Arms: a small vision transformer; none, 0.1 on patches, on attention weights, in the MLPs, on the
residual branches, on all of these, and whole branches dropped at 0.1 and 0.2. (Before, 40 epochs,
which are 320 steps: few, for a transformer.)

Takes about 6 minutes on two cores, and no more with --until-decided.

Came out (8 seeds, from seed 1): refuted, the other way round. Dropout of 0.1 on attention, MLPs and
branches gains 2.5 ± 2.2 points on none, so that whether it is little is open; stochastic depth at
0.1 is 2.4 ± 2.0 points below that, and its gain on none is open (+0.1 ± 1.5). (Before: the same, at
1.7 ± 1.3, 1.5 ± 1.3 and +0.2 ± 1.6.)
"""

from experiments.models import VisionTransformer
from experiments.studies.design import Arm, one_case, over, pair, same, shape
from experiments.studies.settings import Settings

CLAIM = "dropout helps transformers little, stochastic depth more"
MASKS = ("dropout", "drop_path")
DEFAULTS = Settings(epochs=80, seed=1, most_seeds=8)
USUAL = {"attention*": 0.1, "mlp*": 0.1, "residual*": 0.1}
ARMS = {
    "none": Arm(),
    "patches": Arm({"patches": 0.1}),
    "attention": Arm({"attention*": 0.1}),
    "mlp": Arm({"mlp*": 0.1}),
    "residual": Arm({"residual*": 0.1}),
    "usual": Arm(USUAL),
    "depth 0.1": Arm({"path*": 0.1}),
    "depth 0.2": Arm({"path*": 0.2}),
}
CONTRASTS = [
    same("attention, MLPs and branches against none", *pair("vit", "usual", "none"), 1.0),
    over("vit", "depth 0.1", "usual", "stochastic depth 0.1 over these"),
    over("vit", "depth 0.1", "none", "stochastic depth 0.1 over none"),
]
design = one_case("vit", lambda it: VisionTransformer(shape(it), it.classes), ARMS, CONTRASTS)
