"""The picture of a run: every candidate in every case, beside the copy."""

from typing import Any

from matplotlib.axes import Axes

from experiments.bench.measure import Row
from experiments.report.colours import AMBER, BLUE, GREY, RED
from experiments.report.figures import as_svg, fold, in_style, panels

COLORS = {"limit": GREY, "ours": BLUE, "jax-peer": AMBER, "peer": RED}


@in_style()
def draw(rows: list[Row], caption: str) -> bytes:
    """A panel for each case: a row for each shape, a column for each dtype and kind."""
    shapes, columns = _distinct(rows, "shape"), _distinct(rows, "dtype", "kind")
    cases = [shape + column for shape in shapes for column in columns]
    figure, shown = panels(len(cases), len(columns), 3.4, 2.2)
    for axes, case in zip(shown, cases, strict=True):
        panel(axes, [row for row in rows if _key(row, "shape", "dtype", "kind") == case])
    figure.suptitle("Time of a call, by shape, dtype and direction")
    figure.supxlabel(fold(caption, int(figure.get_figwidth() * 13)), fontsize=9)
    return as_svg(figure, caption)


def panel(axes: Axes, rows: list[Row]) -> None:
    """Median milliseconds as bars, the quartiles as whiskers, the copy as a line."""
    medians = [1e3 * row["median"] for row in rows]
    errors = [1e3 * row["median"] * row["spread"] / 2 for row in rows]
    colors = [COLORS[row["group"]] for row in rows]
    axes.barh([row["candidate"] for row in rows], medians, xerr=errors, color=colors)
    for row in rows:
        if row["candidate"] == "copy":
            axes.axvline(1e3 * row["median"], color="0.4", linestyle="--", linewidth=1)
    axes.invert_yaxis()
    shape = "×".join(map(str, rows[0]["shape"]))
    title = f"{shape}\n{rows[0]['dtype']}, {rows[0]['kind'].replace('-', ' + ')}"
    axes.set_title(title, fontsize=8)
    axes.set_xlabel("ms", fontsize=7)
    axes.tick_params(labelsize=7)


def _key(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(tuple(row[name]) if name == "shape" else row[name] for name in names)


def _distinct(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    return list(dict.fromkeys(_key(row, *names) for row in rows))
