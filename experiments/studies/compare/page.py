"""The page of a comparison: verdict, table, figures, what was run and how to run it again."""

import dataclasses
from collections.abc import Mapping, Sequence

from experiments.report import gallery, page
from experiments.report.page import Page, Picture
from experiments.report.table import Cell, Table
from experiments.report.verdict import Conclusion, Verdict
from experiments.studies.compare import tables as report
from experiments.studies.compare.settings import Compare
from experiments.studies.compare.summary import Summary
from experiments.studies.settings import in_shell

TITLE = "Where should dropout stand?"
SHOWN = {
    "accuracy.png": "test accuracy against the rate, a line for each placement",
    "differences.png": "each arm's difference to no dropout, with its interval",
    "curves.png": "accuracy against the epoch, a panel for each placement",
}
HEADER = ("placement", "rate", "test acc. %", "gap", "test NLL", "vs. none")


def comparison(
    config: Compare, summaries: Sequence[Summary], caption: str, pngs: Mapping[str, bytes]
) -> bytes:
    """The page; `pngs` are the figures of the run folder, by their names."""
    seeds = config.arms.seeds
    rows = [_row(summary) for summary in summaries]
    pictures = [Picture(SHOWN.get(name, name), png) for name, png in pngs.items()]
    pictures.append(Picture("what each kind of dropout drops", gallery.picture(config.arms.seed)))
    facts = {"in short": caption} | {
        name: ", ".join(f"{key} {value}" for key, value in settings.items())
        for name, settings in dataclasses.asdict(config).items()
    }
    grid = Table("All arms, best first", HEADER, rows, report.legend(seeds))
    words = report.verdict(summaries, seeds)
    return page.render(Page(TITLE, words, [grid], pictures, facts, in_shell("compare", config)))


def conclusion(config: Compare, summaries: Sequence[Summary]) -> Conclusion:
    """What an atlas says of the run."""
    best, words = summaries[0], report.verdict(summaries, config.arms.seeds)
    settled = best.difference.excludes_zero
    found = f"{best.arm.placement}, {best.arm.rate:g}" if settled else Verdict.UNDECIDED.value
    return Conclusion("compare", TITLE, found, words, in_shell("compare", config))


def _row(summary: Summary) -> list[Cell | str]:
    arm, accuracy, gap, nll, difference = summary
    texts = report.cells(summary)
    values = (arm.rate, accuracy.mean, gap.mean, nll.mean, difference.mean)
    numbers = [Cell(text, float(value)) for text, value in zip(texts, values, strict=True)]
    return [arm.placement, *numbers]
