"""The tables of a run, on screen and as Markdown."""

import math
from collections.abc import Callable, Iterator
from itertools import groupby

from rich.table import Table as Screen

from experiments.bench.sections import Row
from experiments.report.table import Cell, Table

KINDS = {"forward": "fwd", "forward-backward": "both"}
"""Short names for the heads of columns."""


def tables(sections: dict[str, list[Row]]) -> list[Table]:
    """One table for each shape and dtype, and one for each other section that was run."""
    return [
        table(rows)
        for name, (table, keys) in TABLES.items()
        for rows in _together(sections.get(name, []), keys)
    ]


def markdown(sections: dict[str, list[Row]], caption: str) -> str:
    """The same tables for a README."""
    parts = (f"**{table.title}**\n\n{table.markdown()}\n" for table in tables(sections))
    return "".join(parts) + f"{caption}\n"


def screen(table: Table) -> Screen:
    """The same for a terminal: names stay whole."""
    style = {"title_justify": "left", "title_style": "bold", "pad_edge": False, "min_width": 48}
    drawn = table.screen(best="bold", **style)
    drawn.columns[0].no_wrap = True
    return drawn


def dropout_table(rows: list[Row]) -> Table:
    """The candidates of one shape and dtype; a group of columns for each kind."""
    shape, kinds = "×".join(map(str, rows[0]["shape"])), dict.fromkeys(row["kind"] for row in rows)
    heads = (f"{KINDS[kind]} {name}" for kind in kinds for name in ("ms", "±%", "÷copy", "×peer"))
    lines = list(_by(rows, "candidate", dropout_cells))
    groups = {row["candidate"]: row["group"] for row in rows}
    ours = [number for number, (name, *_) in enumerate(lines) if groups[name] == "ours"]
    return Table(f"{shape} {rows[0]['dtype']}", ["", *heads], lines, best=ours)


def dropout_cells(row: Row) -> list[Cell]:
    """Median, spread, ratio to the copy, speed against the fastest JAX peer."""
    ratios = (row["times_copy"], row["faster_than_jax_peers"])
    return [milliseconds(row), percent(row["spread"]), *map(number, ratios)]


def training_table(rows: list[Row]) -> Table:
    """What each dropout adds to the step at each batch size."""
    batches = dict.fromkeys(row["batch"] for row in rows)
    heads = (f"{batch} {name}" for batch in batches for name in ("ms", "tax %", "±%"))
    lines = list(_by(rows, "dropout", training_cells))
    return Table("Training step 784-1024-1024-10 by batch size", ["", *heads], lines)


def training_cells(row: Row) -> list[Cell]:
    """Median, and what is added to the step without dropout."""
    return [milliseconds(row), percent(row["tax"], 1), percent(row["tax_spread"], 1)]


def compile_table(rows: list[Row]) -> Table:
    """Seconds until a model is ready to run."""
    title = f"Compilation of a gradient with {rows[0]['sites']} dropout sites"
    heads = ["", "trace s", "lower + compile s", "total s", "±%", "÷Flax"]
    return Table(title, heads, list(_by(rows, "dropout", compile_cells)))


def compile_cells(row: Row) -> list[Cell]:
    """Seconds to trace, to compile and in all, the spread, the ratio to Flax."""
    seconds = (number(row[name]) for name in ("trace", "compile", "median"))
    return [*seconds, percent(row["spread"]), number(row["times_flax"])]


def import_table(rows: list[Row]) -> Table:
    """What each import adds to that of jax."""
    title = "Import (below jax: what comes on top of it)"
    lines = _by(rows, "module", lambda row: [milliseconds(row), percent(row["spread"])])
    return Table(title, ["", "ms", "±%"], list(lines))


def compiled_table(rows: list[Row]) -> Table:
    """What each dropout is compiled to in one program for one target."""
    first = rows[0]
    over = f"÷{first['dropout']}" if first["dropout"] in ("copy", "off") else "÷copy"
    heads = ["", "kcycles", over, "bytes ÷", "G int", "temp B", "kernels", "relayouts", "s"]
    title = f"{first['title']} (compiled, not run: {first['compiler']})"
    return Table(title, heads, list(_by(rows, "dropout", compiled_cells)))


def compiled_cells(row: Row) -> list[Cell]:
    """Figures of one program: a TPU's estimate has no count of operations, a GPU's no cycles."""
    if "error" in row:
        return [Cell(text, math.nan) for text in (row["error"], *[""] * 7)]
    cycles, integers = row["cycles"], row["integer_operations"]
    return [
        number(cycles and cycles / 1e3, 0),
        number(row["times_cycles"]),
        number(row["times_bytes"]),
        number(integers and integers / 1e9),
        number(row["temporary_bytes"] / row["elements"]),
        number(row["kernels"], 0),
        number(sum(row["relayouts"].values()), 0),
        number(row["compile_seconds"], 1),
    ]


def milliseconds(row: Row) -> Cell:
    """The median to three digits."""
    value = 1e3 * row["median"]
    return Cell(f"{value:.0f}" if value >= 100 else f"{value:#.3g}", value)


def percent(share: float, digits: int = 0) -> Cell:
    """A share in percent."""
    return number(100 * share, digits)


def number(value: float | None, digits: int = 2) -> Cell:
    """A number, or a dash."""
    return Cell("–", math.nan) if value is None else Cell(f"{value:.{digits}f}", value)


def _together(rows: list[Row], keys: tuple[str, ...]) -> Iterator[list[Row]]:
    for _, group in groupby(rows, lambda row: [row[key] for key in keys]):
        yield list(group)


def _by(
    rows: list[Row], name: str, cells: Callable[[Row], list[Cell]]
) -> Iterator[list[str | Cell]]:
    """A line for each of a name, with the cells of all its rows."""
    for value in dict.fromkeys(row[name] for row in rows):
        yield [value, *(cell for row in rows if row[name] == value for cell in cells(row))]


TABLES = {
    "dropout": (dropout_table, ("shape", "dtype")),
    "training-step": (training_table, ()),
    "compile-time": (compile_table, ()),
    "import-time": (import_table, ()),
    "compiled": (compiled_table, ("title", "compiler")),
}
"""Of each section, and what the rows of a table have in common."""
