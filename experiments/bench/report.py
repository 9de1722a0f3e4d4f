"""The tables of a run, on screen and as Markdown."""

import math
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import NamedTuple

from rich.table import Table as Screen

from experiments.bench.measure import Row
from experiments.report.table import Cell, Table

KINDS = {"forward": "fwd ", "forward-backward": "both "}
"""Short names before the heads of columns."""


class Layout(NamedTuple):
    """A table of a section: rows of one name stand beside each other, group by group."""

    title: Callable[[Row], str]
    name: str
    columns: Mapping[str, Callable[[Row], Cell]]
    together: tuple[str, ...] = ()
    """What all rows of one table have in common."""
    group: Callable[[Row], str] = lambda row: ""


def tables(sections: dict[str, list[Row]]) -> list[Table]:
    """One for each shape and dtype or program, and one for each other section that was run."""
    return [
        _table(rows, layout)
        for name, layout in LAYOUTS.items()
        for rows in _together(sections.get(name, []), layout.together)
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


def milliseconds(row: Row) -> Cell:
    """The median to three digits."""
    value = 1e3 * row["median"]
    return Cell(f"{value:.0f}" if value >= 100 else f"{value:#.3g}", value)


def number(value: float | None, digits: int = 2) -> Cell:
    """A number, or a dash."""
    return Cell("–", math.nan) if value is None else Cell(f"{value:.{digits}f}", value)


def _together(rows: list[Row], keys: tuple[str, ...]) -> list[list[Row]]:
    return [list(group) for _, group in groupby(rows, lambda row: [row[key] for key in keys])]


def _table(rows: list[Row], layout: Layout) -> Table:
    names = dict.fromkeys(row[layout.name] for row in rows)
    own = {name: [row for row in rows if row[layout.name] == name] for name in names}
    lines = [[name, *(cell for row in own[name] for cell in _cells(row, layout))] for name in own]
    groups = dict.fromkeys(map(layout.group, rows))
    reference = "off" if rows[0].get("dropout") == "off" else "copy"
    heads = (f"{group}{head}" for group in groups for head in layout.columns)
    ours = [index for index, name in enumerate(own) if own[name][0].get("group") == "ours"]
    header = ["", *(head.format(reference=reference) for head in heads)]
    return Table(layout.title(rows[0]), header, lines, best=ours)


def _cells(row: Row, layout: Layout) -> list[Cell]:
    if "error" in row:
        texts = (row["error"], *[""] * (len(layout.columns) - 1))
        return [Cell(text, math.nan) for text in texts]
    return [cell(row) for cell in layout.columns.values()]


def _of(name: str, digits: int = 2, unit: float = 1.0) -> Callable[[Row], Cell]:
    """A figure in some unit."""
    return lambda row: number(None if row[name] is None else row[name] / unit, digits)


def _percent(name: str, digits: int = 0) -> Callable[[Row], Cell]:
    return lambda row: number(100 * row[name], digits)


LAYOUTS = {
    "dropout": Layout(
        lambda row: f"{'×'.join(map(str, row['shape']))} {row['dtype']}",
        "candidate",
        {
            "ms": milliseconds,
            "±%": _percent("spread"),
            "÷copy": _of("times_copy"),
            "×peer": _of("faster_than_jax_peers"),
        },
        ("shape", "dtype"),
        lambda row: KINDS[row["kind"]],
    ),
    "training-step": Layout(
        lambda row: "Training step 784-1024-1024-10 by batch size",
        "dropout",
        {"ms": milliseconds, "tax %": _percent("tax", 1), "±%": _percent("tax_spread", 1)},
        group=lambda row: f"{row['batch']} ",
    ),
    "large-steps": Layout(
        lambda row: "Training step of two MLP blocks and of a transformer layer, bfloat16",
        "dropout",
        {"ms": milliseconds, "tax %": _percent("tax", 1), "±%": _percent("tax_spread", 1)},
        group=lambda row: f"{row['step']} ",
    ),
    "compile-time": Layout(
        lambda row: f"Compilation of a gradient with {row['sites']} dropout sites",
        "dropout",
        {
            "trace s": _of("trace"),
            "lower + compile s": _of("compile"),
            "total s": _of("median"),
            "±%": _percent("spread"),
            "÷Flax": _of("times_flax"),
        },
    ),
    "import-time": Layout(
        lambda row: "Import (below jax: what comes on top of it)",
        "module",
        {"ms": milliseconds, "±%": _percent("spread")},
    ),
    "eager": Layout(
        lambda row: f"Eager: {row['call']}",
        "candidate",
        {"ms": milliseconds, "±%": _percent("spread"), "÷": _of("times_reference")},
        ("call",),
    ),
    "attention": Layout(
        lambda row: f"Attention {row['length']}×{row['length']} {row['dtype']}, {row['kind']}",
        "candidate",
        {
            "ms": milliseconds,
            "±%": _percent("spread"),
            "MiB": _of("mebibytes", 0),
            "÷jax.nn": _of("times_jax"),
            "÷unfused": _of("times_unfused"),
            "÷off": _of("times_off"),
        },
        ("length", "dtype", "kind"),
    ),
    "layers": Layout(
        lambda row: "Training step of twelve layers of attention: temporary MiB by tokens",
        "candidate",
        {"MiB": _of("mebibytes", 0), "÷Flax": _of("times_flax")},
        group=lambda row: f"{row['length']} ",
    ),
    "compiled": Layout(
        lambda row: f"{row['title']} (compiled, not run: {row['compiler']})",
        "dropout",
        {
            "kcycles": _of("cycles", 0, 1e3),
            "÷{reference}": _of("times_cycles"),
            "bytes ÷": _of("times_bytes"),
            "G int": _of("integer_operations", unit=1e9),
            "temp B": lambda row: number(row["temporary_bytes"] / row["elements"]),
            "kernels": _of("kernels", 0),
            "relayouts": lambda row: number(sum(row["relayouts"].values()), 0),
            "s": _of("compile_seconds", 1),
        },
        ("title", "compiler"),
    ),
}
"""A TPU's estimate has no count of operations, a GPU's no cycles."""
