"""Colours that can be told apart with any eyes (Okabe & Ito 2008); what matters is in words, too."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex

INK, GREY, PALE = "#1d2129", "#707785", "#dfe3ea"
BLUE, RED, GREEN, AMBER = "#0072b2", "#d55e00", "#009e73", "#e69f00"
SERIES = (BLUE, RED, GREEN, AMBER)
SIGNED = LinearSegmentedColormap.from_list(
    "worse, better", ("#a34700", RED, "#f6f6f6", BLUE, "#004c78")
)
LEAST = 0.35
"""Of the way to full colour: what is decided, however small."""
UNDECIDED = 0.06


def of_difference(better: float, reach: float, decided: bool) -> str:
    """Blue the better, red the worse; pale where it is not decided."""
    if not np.isfinite(better):
        return PALE
    size = LEAST + (1 - LEAST) * min(abs(better) / reach, 1) if decided else UNDECIDED
    return to_hex(SIGNED(0.5 + 0.5 * np.sign(better) * size))


def on(background: str) -> str:
    """Of text: dark on light, light on dark, whichever is more of a contrast."""
    red, green, blue = (int(background[at : at + 2], 16) / 255 for at in (1, 3, 5))
    light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return INK if light > 0.2 else "#ffffff"
