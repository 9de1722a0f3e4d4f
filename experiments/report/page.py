"""A run as one page: self-contained, for phone and desk, light and dark.

All text is escaped: a study or a column whose name holds markup is shown, not run.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from experiments.report.table import Table
from experiments.words import in_order

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters["in_order"] = in_order


class Picture(NamedTuple):
    """An SVG; `alt` says what came out to those who cannot see it, the caption what was run."""

    alt: str
    svg: bytes
    caption: str = ""

    @property
    def base64(self) -> str:
        """The file as text."""
        return base64.b64encode(self.svg).decode()


class Page(NamedTuple):
    """What a run has to say, the verdict first."""

    title: str
    verdict: str
    """With its number."""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    facts: Mapping[str, str] = {}
    command: str = ""


def render(page: Page) -> bytes:
    """The page as a file that needs no other and no network."""
    return TEMPLATES.get_template("page.html").render(page=page).encode()
