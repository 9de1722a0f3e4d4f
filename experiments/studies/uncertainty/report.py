"""The study in tables: on the screen, on its page, as rows of `results.csv`."""

from collections.abc import Sequence

from rich import box
from rich.table import Table as Screen

from experiments.report.files import as_csv
from experiments.report.intervals import LEVEL, Interval, interval
from experiments.report.table import Cell, Table
from experiments.studies.uncertainty.claim import TITLES, Difference, differences
from experiments.studies.uncertainty.measure import ByArm, Scores

WIDTH = 118  # columns that the table takes
NOTE = (
    "Means over seeds ± half of their 95 % interval (Student's t); differences are paired by seed, "
    "MC dropout less the other. ↑ marks measures where more is better. The ensemble is compared at "
    "as many passes as it has members."
)


def show(spread: Interval, sign: str = "") -> str:
    """As in the tables."""
    return f"{spread.mean:{sign}.4f} ± {spread.half:.4f}"


def arms(samples: int, members: int) -> dict[str, tuple[str, int]]:
    """What has a column, by its header."""
    return {
        "deterministic": ("deterministic", 1),
        f"MC, {members} passes": ("MC dropout", members),
        f"MC, {samples} passes": ("MC dropout", samples),
        f"ensemble of {members}": ("ensemble", members),
    }


def _compared(table: ByArm, samples: int, members: int) -> tuple[list[Difference], ...]:
    pairs = (samples, ("deterministic", 1)), (members, ("ensemble", members))
    return tuple(
        differences(table, ("MC dropout", count), other, Scores._fields, LEVEL)
        for count, other in pairs
    )


def rows(table: ByArm, samples: int, members: int) -> list[list[tuple[str, float | None]]]:
    """For each measure its name, each arm, and both differences: the text and the number."""
    found = []
    pairs = zip(*_compared(table, samples, members), strict=True)
    for name, compared in zip(Scores._fields, pairs, strict=True):
        spreads = [interval(table[arm][name]) for arm in arms(samples, members).values()]
        cells = [(show(spread), float(spread.mean)) for spread in spreads]
        gains = [(f"{show(d.interval, '+')} {d.word}", float(d.interval.mean)) for d in compared]
        title = TITLES[name] + " ↑" * name.endswith(("accuracy", "auroc"))
        found.append([(title, None), *cells, *gains])
    return found


def header(samples: int, members: int) -> list[str]:
    """Of these rows."""
    return ["measure", *arms(samples, members), "MC less deterministic", "MC less ensemble"]


def screen(table: ByArm, samples: int, members: int) -> Screen:
    """What fits beside each other; the page has all columns."""
    grid = Screen(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="How sure, and how rightly?")
    shown = (0, 1, 3, 4, 5)
    names = header(samples, members)
    for column in shown:
        grid.add_column(names[column], no_wrap=True)
    for row in rows(table, samples, members):
        grid.add_row(*(row[column][0] for column in shown))
    return grid


def page_grid(table: ByArm, samples: int, members: int) -> Table:
    """The same with all columns."""
    cells = [[Cell(*cell) for cell in row] for row in rows(table, samples, members)]
    return Table("Measures", header(samples, members), cells, NOTE)


def primary_grid(compared: Sequence[Difference], level: float) -> Table:
    """What the verdict rests on."""
    lines = [
        [Cell(TITLES[d.measure]), Cell(show(d.interval, "+"), float(d.interval.mean)), Cell(d.word)]
        for d in compared
    ]
    names = ["measure", "MC dropout less deterministic", "MC dropout is"]
    note = f"Paired intervals at {level:.2%} each, which is 95 % for all of them together."
    return Table("The claim", names, lines, note)


def results_csv(table: ByArm) -> bytes:
    """A row for each arm, number of passes and seed."""
    rows = (
        [arm, count, seed, *map(str, values)]
        for (arm, count), measures in table.items()
        for seed, values in enumerate(zip(*measures.values(), strict=True))
    )
    return as_csv(["arm", "passes", "seed", *Scores._fields], rows)
