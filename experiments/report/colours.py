"""Colours that any eyes tell apart (Okabe & Ito 2008); what matters is in words, too."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex

INK, GREY, GROUND, PALE = "#1d2129", "#707785", "#b9bfca", "#dfe3ea"
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
    """Of text: black or white, whichever is more of a contrast."""
    rgb = np.array([int(background[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "#000000" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "#ffffff"
