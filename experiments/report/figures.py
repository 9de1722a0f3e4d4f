"""Figures as files, drawn without a screen; each caption says what was run."""

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.report.intervals import Interval
from experiments.report.page import Picture

GREY = "0.45"


def as_png(figure: Figure, caption: str) -> bytes:
    """The figure as a file, its caption below; without matplotlib's version, so bytes repeat."""
    figure.supxlabel(textwrap.fill(caption, int(figure.get_figwidth() * 13)), fontsize=9)
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content, metadata={"Software": None})
    return content.getvalue()


def picture(alt: str, figure: Figure, caption: str) -> Picture:
    """A figure for a page, too."""
    return Picture(alt, as_png(figure, caption))


def panels(
    count: int, columns: int, width: float, height: float, **shared: Any
) -> tuple[Figure, list[Axes]]:
    """So many panels in rows, each of a size in inches, with room for a caption."""
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows + 1.2), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    for axes in grid.flat[max(count - columns, 0) : count]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    return figure, list(grid.flat[:count])


def points(axes: Axes, places: Any, spread: Interval, flat: bool = False, **style: Any) -> None:
    """Means at places, each with its interval if there is one; flat ones lie along x."""
    half = np.nan_to_num(spread.half)
    style = {"fmt": "o", "markersize": 4, "capsize": 2} | style
    if flat:
        axes.errorbar(spread.mean, places, xerr=half, **style)
    else:
        axes.errorbar(places, spread.mean, yerr=half, **style)
    axes.grid(alpha=0.25, axis="x" if flat else "both")


def curve(axes: Axes, epochs: Any, test: np.ndarray, train: np.ndarray, **style: Any) -> None:
    """How a network learns: test solid, train dotted."""
    (line,) = axes.plot(epochs, test, **style)
    axes.plot(epochs, train, ":", color=line.get_color(), linewidth=1)
    axes.grid(alpha=0.25)


def legend(figure: Figure, axes: Axes, title: str) -> None:
    """One for all panels, whose title is the figure's."""
    handles, labels = axes.get_legend_handles_labels()
    columns = _columns([len(label) for label in labels], figure.get_figwidth())
    place = {"loc": "outside upper center", "ncols": columns, "frameon": False}
    figure.legend(handles, labels, title=title, title_fontsize=14, **place)


def _columns(letters: Sequence[int], width: float) -> int:
    """As many as so many inches have room for, 8 at most."""
    for columns in range(8, 1, -1):
        rows = -(-len(letters) // columns)
        longest = [max(letters[first : first + rows]) for first in range(0, len(letters), rows)]
        if sum(0.55 + 0.085 * count for count in longest) <= width:
            return columns
    return 1
