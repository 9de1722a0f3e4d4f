"""The tables of a run, on screen and as Markdown."""

from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.bench.sections import Row

KINDS = {"forward": "fwd", "forward-backward": "both"}
"""Short names for the heads of columns."""


def tables(sections: dict[str, list[Row]]) -> list[Table]:
    """One table for each shape and dtype, and one for each other section that was run."""
    drawn = [
        dropout_table(list(rows))
        for _, rows in groupby(
            sections.get("dropout", []), lambda row: (row["shape"], row["dtype"])
        )
    ]
    others = {
        "training-step": training_table,
        "compile-time": compile_table,
        "import-time": import_table,
    }
    timed = [table(sections[name]) for name, table in others.items() if name in sections]
    programs = groupby(sections.get("compiled", []), lambda row: (row["title"], row["compiler"]))
    return drawn + timed + [compiled_table(list(rows)) for _, rows in programs]


def markdown(sections: dict[str, list[Row]], caption: str) -> str:
    """The same tables for a README."""
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        for table in tables(sections):
            table.box, title, table.title = box.MARKDOWN, table.title, None
            console.print(f"**{title}**\n", table, "", sep="\n", highlight=False, markup=False)
        console.print(caption, highlight=False, markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def dropout_table(rows: list[Row]) -> Table:
    """The candidates of one shape and dtype; a group of columns for each kind."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    shape = "×".join(map(str, rows[0]["shape"]))
    headers = [f"{KINDS[kind]} {name}" for kind in kinds for name in ("ms", "±%", "÷copy", "×peer")]
    table = _table(f"{shape} {rows[0]['dtype']}", "", *headers)
    for name in dict.fromkeys(row["candidate"] for row in rows):
        own = [row for row in rows if row["candidate"] == name]
        cells = [cell for row in own for cell in dropout_cells(row)]
        table.add_row(name, *cells, style="bold" if own[0]["group"] == "ours" else "")
    return table


def dropout_cells(row: Row) -> tuple[str, ...]:
    """Median, spread, ratio to the copy, speed against the fastest JAX peer."""
    ratios = (row["times_copy"], row["faster_than_jax_peers"])
    return milliseconds(row), percent(row["spread"]), *map(number, ratios)


def training_table(rows: list[Row]) -> Table:
    """What each dropout adds to the step at each batch size."""
    batches = list(dict.fromkeys(row["batch"] for row in rows))
    headers = [f"{batch} {name}" for batch in batches for name in ("ms", "tax %", "±%")]
    table = _table("Training step 784-1024-1024-10 by batch size", "", *headers)
    for name in dict.fromkeys(row["dropout"] for row in rows):
        own = [row for row in rows if row["dropout"] == name]
        cells = [(milliseconds(r), percent(r["tax"], 1), percent(r["tax_spread"], 1)) for r in own]
        table.add_row(name, *(cell for group in cells for cell in group))
    return table


def compile_table(rows: list[Row]) -> Table:
    """Seconds until a model is ready to run."""
    title = f"Compilation of a gradient with {rows[0]['sites']} dropout sites"
    table = _table(title, "", "trace s", "lower + compile s", "total s", "±%", "÷Flax")
    for row in rows:
        seconds = (f"{row[name]:.2f}" for name in ("trace", "compile", "median"))
        table.add_row(row["dropout"], *seconds, percent(row["spread"]), number(row["times_flax"]))
    return table


def import_table(rows: list[Row]) -> Table:
    """What each import adds to that of jax."""
    table = _table("Import (below jax: what comes on top of it)", "", "ms", "±%")
    for row in rows:
        table.add_row(row["module"], milliseconds(row), percent(row["spread"]))
    return table


def compiled_table(rows: list[Row]) -> Table:
    """What each dropout is compiled to in one program for one target."""
    first = rows[0]
    over = f"÷{first['dropout']}" if first["dropout"] in ("copy", "off") else "÷copy"
    table = _table(
        f"{first['title']} (compiled, not run: {first['compiler']})",
        "",
        *("kcycles", over, "bytes ÷", "G int", "temp B"),
        *("kernels", "relayouts", "s"),
    )
    for row in rows:
        cells = [row["error"]] if "error" in row else compiled_cells(row)
        table.add_row(row["dropout"], *cells)
    return table


def compiled_cells(row: Row) -> tuple[str, ...]:
    """Figures of one program: a TPU's estimate has no count of operations, a GPU's no cycles."""
    cycles, integers = row["cycles"], row["integer_operations"]
    return (
        "–" if cycles is None else f"{cycles / 1e3:.0f}",
        number(row["times_cycles"]),
        number(row["times_bytes"]),
        number(None if integers is None else integers / 1e9),
        number(row["temporary_bytes"] / row["elements"]),
        str(row["kernels"]),
        str(sum(row["relayouts"].values())),
        f"{row['compile_seconds']:.1f}",
    )


def milliseconds(row: Row) -> str:
    """The median to three digits."""
    value = 1e3 * row["median"]
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent."""
    return f"{100 * share:.{digits}f}"


def number(value: float | None) -> str:
    """A ratio, or a dash."""
    return "–" if value is None else f"{value:.2f}"


def _table(title: str, *headers: str) -> Table:
    style = {"title_justify": "left", "title_style": "bold", "pad_edge": False, "min_width": 48}
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), **style)
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index else "left", no_wrap=index == 0)
    return table
