"""What the study says: the verdict, all measures, and what was run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from experiments.report.report import Report
from experiments.report.verdict import Conclusion, Verdict
from experiments.studies.claim import verdict
from experiments.studies.settings import in_shell
from experiments.studies.uncertainty import claim, figures
from experiments.studies.uncertainty.config import Uncertainty
from experiments.studies.uncertainty.data import Digits
from experiments.studies.uncertainty.measure import ByArm, Passes
from experiments.studies.uncertainty.network import Curves, growth
from experiments.words import counted

WIDTH = 118  # columns that the table takes
SHOWN = (0, 1, 3, 4, 5)  # columns that fit beside each other; the page has all


class Results(NamedTuple):
    """Of all seeds: the scores, the mean of each arm's passes, and how far passes disagree."""

    table: ByArm
    means: list[Mapping[str, Passes]]
    information: list[Passes]
    curves: Curves


def report(title: str, config: Uncertainty, digits: Digits, results: Results) -> Report:
    """All of it, from what came out."""
    used, protocol = config.used, caption(config.used, digits)
    findings = claim.primary(results.table, used.samples)
    decided = Verdict.OPEN if config.smoke else verdict(findings)
    words, ran = claim.in_words(findings), in_shell("run uncertainty", config)
    means, labels, number = results.means, digits.y_test, claim.in_one(findings)
    measures = claim.measures(results.table, used.samples, used.members)
    screen = replace(measures, title="How sure, and how rightly?")
    spread = ", ".join(f"{arm} {growth(f):.1f}" for arm, f in results.curves.functions.items())
    wider = f"Spread 2 away from all data, as a multiple of that among them: {spread}."
    said = decided.value, words, ran, number, "digits", used.seeds
    return Report(
        settings=config,
        conclusion=Conclusion("uncertainty", title, *said),
        verdict=decided,
        sentence=f"{decided.value.capitalize()}. {words}",
        numbers={"results.csv": claim.per_seed(results.table)},
        tables=[claim.parts(findings), measures],
        draw=lambda: {
            "reliability.svg": figures.reliability(means, labels, protocol),
            "entropies.svg": figures.entropies(means, results.information, protocol),
            "rejection.svg": figures.rejection(means, labels, protocol),
            "samples.svg": figures.samples(results.table, protocol),
            "regression.svg": figures.regression(results.curves, wider),
        },
        facts={"protocol": protocol, "regression": wider},
        screens=[screen.screen(SHOWN, right=False, no_wrap=True)],
        lines=[measures.note, protocol, words],
        width=WIDTH,
    )


def caption(config: Uncertainty, digits: Digits) -> str:
    """What was run."""
    sizes = "-".join(map(str, (digits.x_train.shape[1], *config.widths, digits.classes)))
    return (
        f"Digits without the classes {', '.join(map(str, config.unseen))}: {len(digits.y_train)} "
        f"to train, {len(digits.y_test)} to test, as many corrupted (noise, a hidden quarter, "
        f"turned by 90°), {len(digits.x_unseen)} unseen. Network {sizes}, dropout {config.rate:g} "
        f"behind each hidden layer, {counted(config.epochs, 'epoch')} of Adam; {config.seeds} "
        f"seeds, {config.samples} samples, ensembles of {config.members}."
    )
