"""What a study says of its claim: the verdict, the contrasts behind it, and all arms."""

import re
from dataclasses import fields, replace
from typing import Any

from experiments.data.images import Dataset, Split
from experiments.models.images import ImageArchitecture
from experiments.report.gallery import gallery
from experiments.report.report import Report
from experiments.report.verdict import Conclusion, Verdict
from experiments.studies import claim, curves, figures, tables
from experiments.studies.design import ACCURACY, Case, Design
from experiments.studies.results import Results
from experiments.studies.settings import Settings, in_shell
from experiments.words import counted, settings_of

WIDTH = 100  # columns that the tables take


def report(name: str, study: Any, settings: Settings, design: Design, results: Results) -> Report:
    """All of it, from what came out."""
    used, protocol = settings.used, caption(settings.used, design, results)
    findings = claim.findings(design, results, used.margin, len(used.looks))
    verdict = Verdict.OPEN if settings.smoke else claim.verdict(findings)
    words, parts = tables.in_words(findings), tables.parts(findings)
    command = in_shell(f"run {name}", settings, study.DEFAULTS)
    arms = tables.arms(design, results, getattr(study, "MEASURED", ""))
    said, kinds = tables.headline(verdict, findings), getattr(study, "MASKS", ())
    networks = {title: network(case) for title, case in design.cases.items()}
    return Report(
        settings=settings,
        conclusion=Conclusion(
            name,
            study.CLAIM,
            verdict.value,
            words,
            command,
            number=tables.in_one(verdict, findings),
            data=", ".join(used.dataset),
            seeds=findings[0].spread.seeds,
        ),
        verdict=verdict,
        sentence=f"{said}.",
        numbers={
            "results.csv": tables.per_seed(design, results),
            "history.csv": tables.per_epoch(design, results),
            "contrasts.csv": tables.contrasts(findings),
        },
        tables=[parts, arms],
        draw=lambda: {
            "contrasts.svg": figures.contrasts(said, findings, protocol),
            "arms.svg": figures.arms(design, results, protocol),
            "curves.svg": curves.curves(design, results, protocol),
            **({"": gallery(kinds, settings.seed)} if kinds else {}),
        },
        facts={"protocol": protocol, **networks},
        screens=[arms.screen(), replace(parts, title=f"{study.CLAIM}?").screen()],
        lines=[protocol, parts.note, arms.note],
        width=WIDTH,
    )


def network(case: Case) -> str:
    """What is trained, and in which arms."""
    architecture = case.architecture
    values = {field.name: getattr(architecture, field.name) for field in fields(architecture)}
    if isinstance(architecture, ImageArchitecture):
        values["image"] = (architecture.image,)
    kind = re.sub("(?<=[a-z])(?=[A-Z])", " ", type(architecture).__name__)
    return f"{kind}: {settings_of(values)}. Arms: {', '.join(case.arms)}."


def caption(settings: Settings, design: Design, results: Results) -> str:
    """What was run, and of what its intervals speak."""
    seeds = len(next(iter(results.values())).final[ACCURACY])
    looks = f" (looks after {', '.join(map(str, settings.looks))})" * settings.until_decided

    def sized_of(name: str) -> str:
        of_name = f"{name}: " * (len(settings.dataset) > 1)
        cases = [case for title, case in design.cases.items() if title.startswith(of_name)]
        sizes = {case.plan.get("train_size", settings.train_size) for case in cases}
        largest = max((case.data for case in cases), key=lambda data: len(data.y_train))
        return f"{name}: {sized(largest, *sizes, split=settings.split)}"

    return (
        f"{'; '.join(map(sized_of, settings.dataset))}. {counted(settings.epochs, 'epoch')} of "
        f"adamw, batches of {settings.batch_size}, learning rate {settings.learning_rate:g} "
        f"falling to 0 unless an arm says otherwise. Seeds: {seeds}{looks}, from {settings.seed}."
    )


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
