"""Is Monte-Carlo dropout better calibrated, and does it see what it does not know?

Claim: averaged over masks at test time, a network trained with dropout is better calibrated than
with dropout off (calibration error, NLL), and its entropy tells digits of unseen classes and
corrupted digits from familiar ones better (AUROC). Supported if all four paired intervals, at 95 %
together, say so; refuted as soon as one says the contrary.

Arms: the same network with dropout off (one pass), with 1 to 512 masks, and a deep ensemble of
it, whose members are trained with dropout from other weights, on other batches, and run without.

Minutes: under 2 on two cores.

Came out (8 seeds on one split, intervals at 95 % for all four together): refuted, for half of it.
On familiar digits MC dropout is calibrated worse: calibration error +0.037 ± 0.006, NLL +0.032 ±
0.005. At rate 0.5 it is too unsure of what is right in 98 cases of 100. It does detect better:
AUROC +0.005 ± 0.002 for unseen classes, +0.118 ± 0.019 for corrupted digits. On the corrupted ones
it is calibrated better, too (error -0.117 ± 0.013, an interval of its own). From 64 masks on little
changes; with 8 or fewer unseen classes are detected worse than by the one pass without any.
"""

import dataclasses

from rich.console import Console

from experiments import manifest, runs
from experiments.again import again
from experiments.conclusion import Conclusion
from experiments.uncertainty import claim, data, report
from experiments.uncertainty.config import Uncertainty
from experiments.uncertainty.data import Digits
from experiments.uncertainty.experiment import find
from experiments.uncertainty.files import caption, files
from experiments.verdict import Verdict

CLAIM = (
    "Monte-Carlo dropout is better calibrated than the deterministic network, "
    "and detects unfamiliar inputs better"
)


def lacks(config: Uncertainty) -> str:
    """The digits are there always: they come with scikit-learn."""
    del config
    return ""


def uncertainty(config: Uncertainty) -> Verdict:
    """Trains, measures, prints and writes."""
    runs.check_folder(config.output, config.overwrite)
    used = config.used
    digits = data.load(used.unseen, used.train_size)
    found = find(used, digits)
    compared = claim.primary(found.table, used.samples)
    verdict = Verdict.UNDECIDED if config.smoke else claim.verdict(compared)
    words = claim.in_words(compared)
    console = Console(highlight=False, width=max(Console().width, report.WIDTH))
    console.print(report.screen(found.table, used.samples, used.members))
    for line in (report.NOTE, caption(used, digits), words):
        console.print(line)
    said = f"{verdict.value.capitalize()}. {words}"
    concluded = Conclusion("uncertainty", CLAIM, verdict.value, words, again("uncertainty", config))
    _write(config, files(used, digits, found, f"{CLAIM}?", said) | concluded.file(), digits)
    print(f"Written to {config.output}")
    return verdict


def _write(config: Uncertainty, content: dict[str, bytes], digits: Digits) -> None:
    content = {"config.json": runs.as_json(dataclasses.asdict(config)), **content}
    head = manifest.of_files("run uncertainty", config.seed, digits, content)
    runs.write(config.output, content, head)
