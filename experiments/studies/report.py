"""What a study says of its claim: the verdict, the contrasts behind it, and all arms."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiments.report.gallery import gallery
from experiments.report.report import Report
from experiments.report.verdict import Conclusion, Verdict
from experiments.studies import claim, figures, tables
from experiments.studies.design import Design
from experiments.studies.results import Result
from experiments.studies.settings import Settings, in_shell

WIDTH = 100  # columns that the tables take


def report(name: str, study: Any, settings: Settings, design: Design,
           results: Mapping[str, Result]) -> Report:  # fmt: skip
    """All of it, from what came out."""
    findings, protocol = claim.findings(design, results), caption(settings.used, design)
    verdict = Verdict.UNDECIDED if settings.smoke else claim.verdict(findings)
    words, command = claim.in_words(findings), in_shell(f"run {name}", settings, study.DEFAULTS)
    parts, arms = tables.parts(findings), tables.arms(design, results)
    networks = {
        title: f"{case.architecture}; arms {', '.join(case.arms)}"
        for title, case in design.cases.items()
    }

    return Report(
        settings=settings,
        conclusion=Conclusion(name, study.CLAIM, verdict.value, words, command),
        verdict=verdict,
        sentence=f"{verdict.value.capitalize()}: {words}.",
        numbers={
            "results.csv": tables.per_seed(design, results),
            "history.csv": tables.per_epoch(design, results),
            "contrasts.csv": tables.contrasts(findings),
        },
        tables=[parts, arms],
        draw=lambda: {
            "contrasts.png": figures.contrasts(findings, protocol),
            "arms.png": figures.arms(design, results, protocol),
            "curves.png": figures.curves(design, results, protocol),
            "": gallery(settings.seed),
        },
        facts={"protocol": protocol, **networks},
        screens=[arms.screen(), replace(parts, title=f"{study.CLAIM}?").screen()],
        lines=[protocol, parts.note, arms.note],
        width=WIDTH,
    )


def caption(settings: Settings, design: Design) -> str:
    """What was run."""
    first = next(iter(design.cases.values())).data
    sizes = {len(case.data.y_train) for case in design.cases.values()}
    training = f"{min(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}"
    return (
        f"{settings.dataset}: {training} training and {len(first.y_test):,} test examples (one "
        f"fixed split); {settings.epochs} epochs of adamw, batches of {settings.batch_size}, "
        f"learning rate {settings.learning_rate:g} falling to 0 unless an arm says otherwise. "
        f"Seeds: {settings.seeds}, from {settings.seed}."
    )
