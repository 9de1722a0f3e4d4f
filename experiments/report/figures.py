"""Figures as files, drawn without a screen: a title that says what came out, and names on things.

A figure is as wide as a phone and a column of a page show it, letters included. Its text stays
text, in the fonts of whoever looks at it: so it is sharp at any size, and names may be in any
script, whether or not there is a font for it where the figure is drawn.
"""

import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from experiments.report.colours import BLUE, GREY, GROUND, INK
from experiments.report.intervals import ANY, Interval, Range
from experiments.report.page import Picture
from experiments.words import in_order

WIDTH = 4.4  # inches
OTHER_SCRIPTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "Yu Gothic", "Microsoft YaHei",
    "Malgun Gothic", "WenQuanYi Zen Hei", "Noto Sans Devanagari", "Noto Sans Arabic",
    "Arial Unicode MS",
)  # fmt: skip
"""By these text is measured where they are installed."""
WHOLE = "\ue000±\ue000"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxdrop",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "text.parse_math": False,
}
"""A dollar in a name is one."""


def in_style() -> Any:
    """For what is drawn within, or by a function that it decorates."""
    there = set(font_manager.get_font_names())
    fonts = ["sans-serif", *(name for name in OTHER_SCRIPTS if name in there)]
    return rc_context({**STYLE, "font.family": fonts})


def as_svg(figure: Figure, caption: str) -> bytes:
    """The figure as a file whose bytes repeat: it holds neither date nor version."""
    content, about = io.BytesIO(), {"Date": None, "Creator": None, "Description": caption}
    with in_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # whoever looks at it may have it
        FigureCanvasSVG(figure).print_svg(content, metadata=about)
    return content.getvalue()


def picture(title: str, figure: Figure, caption: str, seen: str, note: str = "") -> Picture:
    """A figure for a page: what came out, how to read it, and below what was run.

    What is seen, in numbers, is for those who cannot see it.
    """
    letters = int(figure.get_figwidth() * 11.2)
    style = {"x": 0.01, "ha": "left", "fontsize": 10.5, "fontweight": "bold"}
    title = title.removesuffix(".")
    figure.suptitle(fold(title, letters), **style)
    if note:
        style = {"x": 0.01, "ha": "left", "fontsize": 8.5, "color": GREY}
        figure.supxlabel(fold(note, int(letters * 1.4)), **style)
    return Picture(f"{title}. {seen}", as_svg(figure, caption), caption)


def fold(text: str, letters: int) -> str:
    """In lines that hold so many letters, or half as many wide ones; an interval stays whole."""
    text = in_order(text)
    if cell_len(text) <= letters:
        return text
    lines = Text(text.replace(" ± ", WHOLE)).wrap(Console(width=letters), letters)
    return "\n".join(line.plain.rstrip() for line in lines).replace(WHOLE, " ± ")


def panels(
    count: int, columns: int, width: float, height: float, **shared: Any
) -> tuple[Figure, list[Axes]]:
    """So many panels in rows, each of a size in inches, with room for a title."""
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows + 0.8), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    for axes in grid.flat[max(count - columns, 0) : count]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    return figure, list(grid.flat[:count])


def points(
    axes: Axes, places: Any, spread: Interval, flat: bool = False, within: Range = ANY, **style: Any
) -> None:
    """Means at places, each with its interval, as far as possible; flat ones lie along x."""
    mean = np.asarray(spread.mean)
    low, high = Interval(mean, np.nan_to_num(spread.half)).ends(within)
    bars = np.reshape([mean - low, high - mean], (2, -1))
    style = {"fmt": "o", "markersize": 4, "capsize": 2} | style
    if flat:
        axes.errorbar(mean, places, xerr=bars, **style)
    else:
        axes.errorbar(places, mean, yerr=bars, **style)
    axes.grid(alpha=0.25, axis="x" if flat else "both")


def ends(axes: Axes, heights: Mapping[str, float], colours: Mapping[str, str]) -> None:
    """Names of lines beside where they end, moved apart where they would lie on each other."""
    names, (low, high) = sorted(heights, key=heights.__getitem__), axes.get_ylim()
    line = 0.15 * axes.figure.dpi / axes.bbox.height
    above = 1 + line * np.arange(1 - len(names), 1)  # the highest place of each
    place = -np.inf
    for name, most in zip(names, above, strict=True):
        place = max(min((heights[name] - low) / (high - low), most), place + line)
        style = {"xycoords": "axes fraction", "va": "center", "fontsize": 8.5}
        axes.annotate(name, (1.02, place), color=colours[name], **style)


def curve(axes: Axes, epochs: Any, test: np.ndarray, train: np.ndarray) -> None:
    """How a network learns, test solid and train dotted; the first of two as a broad ground."""
    for row, (colour, width) in enumerate(((GROUND, 3.0), (BLUE, 1.3))):
        axes.plot(epochs, test[:, row], color=colour, linewidth=width)
        axes.plot(epochs, train[:, row], ":", color=colour, linewidth=width)
    axes.grid(alpha=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))


def logarithmic(axes: Axes, low: float, high: float) -> None:
    """From one loss to another, with ticks that are read as numbers."""
    if 0 < low < high < np.inf:
        axes.set(yscale="log", ylim=(low, high))
        subs = (1, 1.5, 2, 3, 5, 7) if high < 10 * low else (1, 3)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
