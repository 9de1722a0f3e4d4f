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
from functools import partial

from rich.console import Console

from experiments.report.files import Files, as_json
from experiments.report.verdict import Conclusion, Verdict
from experiments.runs import execute as training
from experiments.runs import folder as runs
from experiments.runs.manifest import Case, Head
from experiments.runs.work import Work
from experiments.studies.again import again
from experiments.studies.uncertainty import claim, data, experiment, report
from experiments.studies.uncertainty.claim import Difference
from experiments.studies.uncertainty.config import Uncertainty
from experiments.studies.uncertainty.data import Digits
from experiments.studies.uncertainty.experiment import Results
from experiments.studies.uncertainty.files import caption, files

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
    return training.judged(prepare(config), config.output, config.overwrite)


def prepare(config: Uncertainty) -> Work[Results]:
    """Splits the digits, and makes them unfamiliar."""
    config = config.anywhere
    digits = data.load(config.used.unseen, config.used.train_size)
    case = Case(None, experiment.inputs(config.used, digits))
    return Work(
        Head.of("run uncertainty", config.seed, config, {"digits": case}),
        partial(experiment.run, config.used, digits),
        tables=partial(_tables, config),
        compared={"results.csv": 3},
        figures=partial(_figures, config, digits),
        show=partial(_show, config, digits),
        verdict=partial(_verdict, config),
        point=0.01,
    )


def _compared(config: Uncertainty, found: Results) -> list[Difference]:
    return claim.primary(found.table, config.used.samples)


def _verdict(config: Uncertainty, found: Results) -> Verdict:
    return Verdict.UNDECIDED if config.smoke else claim.verdict(_compared(config, found))


def _concluded(config: Uncertainty, found: Results) -> Conclusion:
    words, verdict = claim.in_words(_compared(config, found)), _verdict(config, found).value
    return Conclusion("uncertainty", CLAIM, verdict, words, again("uncertainty", config))


def _tables(config: Uncertainty, found: Results) -> Files:
    return {
        "config.json": as_json(dataclasses.asdict(config)),
        "results.csv": report.results_csv(found.table),
        **_concluded(config, found).file(),
    }


def _figures(config: Uncertainty, digits: Digits, found: Results) -> Files:
    concluded = _concluded(config, found)
    said = f"{concluded.verdict.capitalize()}. {concluded.words}"
    return files(config.used, digits, found, f"{CLAIM}?", said)


def _show(config: Uncertainty, digits: Digits, found: Results) -> None:
    used, console = config.used, Console(highlight=False, width=max(Console().width, report.WIDTH))
    console.print(report.screen(found.table, used.samples, used.members))
    for line in (report.NOTE, caption(used, digits), _concluded(config, found).words):
        console.print(line)
