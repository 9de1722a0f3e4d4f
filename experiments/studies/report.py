"""What a study says of its claim: the verdict, the contrasts behind it, and all arms."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from experiments.data.images import Dataset, Split
from experiments.report.gallery import gallery
from experiments.report.report import Report
from experiments.report.verdict import Conclusion, Verdict
from experiments.studies import claim, curves, figures, tables
from experiments.studies.design import Design
from experiments.studies.results import Result
from experiments.studies.settings import Settings, in_shell
from experiments.words import counted

WIDTH = 100  # columns that the tables take


def report(name: str, study: Any, settings: Settings, design: Design,
           results: Mapping[str, Result]) -> Report:  # fmt: skip
    """All of it, from what came out."""
    used, protocol = settings.used, caption(settings.used, design, results)
    findings = claim.findings(design, results, used.margin, len(used.looks))
    verdict = Verdict.OPEN if settings.smoke else claim.verdict(findings)
    words, command = claim.in_words(findings), in_shell(f"run {name}", settings, study.DEFAULTS)
    parts, arms = tables.parts(findings), tables.arms(design, results)
    headline, kinds = claim.headline(verdict, findings), getattr(study, "MASKS", ())
    networks = {
        title: f"{case.architecture}; arms {', '.join(case.arms)}"
        for title, case in design.cases.items()
    }

    return Report(
        settings=settings,
        conclusion=Conclusion(
            name,
            study.CLAIM,
            verdict.value,
            words,
            command,
            claim.telling(findings).in_full,
            ", ".join(used.dataset),
            findings[0].spread.seeds,
        ),
        verdict=verdict,
        sentence=f"{headline}.",
        numbers={
            "results.csv": tables.per_seed(design, results),
            "history.csv": tables.per_epoch(design, results),
            "contrasts.csv": tables.contrasts(findings),
        },
        tables=[parts, arms],
        draw=lambda: {
            "contrasts.svg": figures.contrasts(headline, findings, protocol),
            "arms.svg": figures.arms(design, results, protocol),
            "curves.svg": curves.curves(design, results, protocol),
            **({"": gallery(kinds, settings.seed)} if kinds else {}),
        },
        facts={"protocol": protocol, **networks},
        screens=[arms.screen(), replace(parts, title=f"{study.CLAIM}?").screen()],
        lines=[protocol, parts.note, arms.note],
        width=WIDTH,
    )


def caption(settings: Settings, design: Design, results: Mapping[str, Result]) -> str:
    """What was run, and of what its intervals speak."""
    seeds = len(next(iter(results.values())).final["test accuracy"])
    looks = f" (looks after {', '.join(map(str, settings.looks))})" * settings.until_decided
    sets = (f"{name}: {_sized(name, settings, design)}" for name in settings.dataset)
    return (
        f"{'; '.join(sets)}. {counted(settings.epochs, 'epoch')} of adamw, batches of "
        f"{settings.batch_size}, "
        f"learning rate {settings.learning_rate:g} falling to 0 unless an arm says otherwise. "
        f"Seeds: {seeds}{looks}, from {settings.seed}."
    )


def _sized(name: str, settings: Settings, design: Design) -> str:
    """Of a data set."""
    several = len(settings.dataset) > 1
    cases = [
        case for title, case in design.cases.items() if title.startswith(f"{name}: " * several)
    ]
    sizes = {case.plan.get("train_size", settings.train_size) for case in cases}
    largest = max((case.data for case in cases), key=lambda data: len(data.y_train))
    return sized(largest, *sizes, split=settings.split)


def sized(data: Dataset, *train_sizes: int, split: Split) -> str:
    """How many images train and test."""
    pool, sizes = len(data.y_train), {min(size, len(data.y_train)) for size in train_sizes}
    training = " or ".join(f"{size:,}" for size in sorted(sizes))
    whence = f"drawn by each seed from a pool of {pool:,}"
    if split == "fixed":
        whence = "one fixed choice"
    elif sizes == {pool}:
        whence = "all there are, for every seed"
    return f"{training} training ({whence}) and {len(data.y_test):,} test examples"
