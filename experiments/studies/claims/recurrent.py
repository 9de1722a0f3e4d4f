"""Does recurrent dropout want one mask for all steps?

Claim: on the state of a recurrent network a fresh mask at every step destroys its memory; one mask
for all steps (Gal & Ghahramani 2016), zoneout (Krueger et al. 2017) and dropped weights (Merity et
al. 2018) generalise better.

Arms: an LSTM that predicts characters; none, and 0.3 on its state by a fresh mask a step, by one
mask, by zoneout, on its recurrent weights; and on its inputs by either kind of mask. (Before,
batches of 50, which are 240 steps: few, for masks to tell.)

Takes about 3 minutes on two cores, 6 with --until-decided.

Came out (16 seeds, from seed 2, in nats a character): supported but for zoneout, so open. A fresh
mask a step loses 0.05 ± 0.03 against one mask and 0.04 ± 0.04 against dropped weights; against
zoneout +0.01 ± 0.06, for which the test texts are too few. One mask gains 0.29 ± 0.08 on none.
(Before: refuted; the fresh mask was better than zoneout by 0.05 ± 0.02. With 8 seeds from 1 the
first part was open, too.)
"""

from dataclasses import dataclass
from typing import ClassVar

from experiments.data import text
from experiments.data.images import Split
from experiments.models import LanguageModel
from experiments.studies.design import Arm, Case, Design, over
from experiments.studies.settings import Settings
from experiments.words import Unset

CLAIM = "naive dropout at every step spoils recurrent networks; variational masks do not"
MASKS = ("dropout", "locked_dropout")
LENGTH, RATE = 32, 0.3
SITES = {
    "naive": "recurrent.naive",
    "variational": "recurrent.variational",
    "zoneout": "zoneout",
    "weights": "weights",
    "naive inputs": "input.naive",
    "variational inputs": "input.variational",
}
CLAIMED = (
    ("naive", "variational"), ("naive", "zoneout"), ("naive", "weights"), ("none", "variational"),
)  # fmt: skip


@dataclass(frozen=True)
class Text(Settings):
    """Settings of training on windows of a text."""

    dataset: tuple[str, ...] = ("sklearn",)
    """One or more: sklearn (the descriptions of its data sets), or the path of a .txt file."""
    train_size: int = 110
    """Windows of 32 characters to train on at most."""
    test_size: int = 2000
    """Windows to test on at most, a fixed choice: a third of the text if that is less."""
    split: Split = "drawn"
    """Whether each seed draws its own windows from the pool, which is all that do not test, or all
    seeds train on the first."""
    margin: float = 0.01
    """The smallest difference that matters, in nats a character."""
    epochs: int = 80
    """Passes over the windows."""
    batch_size: Unset[int] = None
    """Windows in a step; by default 20, or all that train where those are fewer."""

    usual_batch: ClassVar = 20


DEFAULTS = Text(learning_rate=1e-2, seed=2, most_seeds=32)


def design(settings: Settings) -> Design:
    """One language model; losses are compared, in nats a character."""
    (name,), sizes = settings.dataset, (settings.train_size, settings.test_size)
    data, alphabet = text.load(name, LENGTH, *sizes, settings.split)
    arms = {"none": Arm()} | {name: Arm({site: RATE}) for name, site in SITES.items()}
    contrasts = [
        over("lstm", one, other, f"loss of {one} over {other}", "test NLL")
        for one, other in CLAIMED
    ]
    network = LanguageModel(alphabet=alphabet, length=LENGTH)
    return Design({"lstm": Case(network, data, arms)}, contrasts)
