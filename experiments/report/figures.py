"""Figures as files, drawn without a screen; each caption says what was run."""

import io
import textwrap

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

GREY = "0.45"


def as_png(figure: Figure, caption: str) -> bytes:
    """The figure as a file, its caption below; without matplotlib's version, so bytes repeat."""
    figure.supxlabel(textwrap.fill(caption, int(figure.get_figwidth() * 13)), fontsize=9)
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content, metadata={"Software": None})
    return content.getvalue()
