"""A run as one page: self-contained, for phone and desk, light and dark.

All text is escaped: a study or a column whose name holds markup is shown, not run.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from experiments.style import SCRIPT, STYLE


class Cell(NamedTuple):
    """What a table shows, and the number that it is sorted by; `href` makes it a link."""

    text: str
    value: float | None = None
    href: str = ""


class Grid(NamedTuple):
    """A table that can be sorted by each of its columns."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    note: str = ""


class Picture(NamedTuple):
    """A PNG that says itself what it shows; `alt` is for those who cannot see it."""

    alt: str
    png: bytes


class Page(NamedTuple):
    """What a run has to say, the verdict first."""

    title: str
    verdict: str
    grids: Sequence[Grid] = ()
    pictures: Sequence[Picture] = ()
    facts: Mapping[str, str] = {}
    command: str = ""


def render(page: Page) -> bytes:
    """The page as a file that needs no other and no network."""
    title = escape(page.title)
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="verdict">{escape(page.verdict)}</p>',
        *map(_grid, page.grids),
        *map(_picture, page.pictures),
        _facts(page.facts),
        _command(page.command),
    ]
    body = "\n".join(filter(None, parts))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title}</title><link rel="icon" href="data:,">\n<style>{STYLE}</style></head>\n'
        f"<body><main>\n{body}\n</main>\n<script>{SCRIPT}</script>\n"
        "</body></html>\n"
    ).encode()


def _grid(grid: Grid) -> str:
    kinds = [_kind(cell) for row in grid.rows[:1] for cell in row] or [""] * len(grid.header)
    header = "".join(
        f'<th scope="col"{kind} aria-sort="none"><button type="button">{escape(name)}</button></th>'
        for name, kind in zip(grid.header, kinds, strict=True)
    )
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in grid.rows)
    note = f"<p>{escape(grid.note)}</p>" if grid.note else ""
    return (
        f'<section><h2>{escape(grid.title)}</h2>\n<div class="wide"><table><thead><tr>{header}'
        f"</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>\n{note}</section>"
    )


def _kind(cell: Cell | str) -> str:
    """Numbers stand to the right, and so do their headers."""
    return "" if isinstance(cell, str) or cell.value is None else ' class="number"'


def _cell(cell: Cell | str) -> str:
    text, value, href = Cell(cell) if isinstance(cell, str) else cell
    shown = f'<a href="{escape(href)}">{escape(text)}</a>' if href else escape(text)
    if value is None:
        return f"<td>{shown}</td>"
    return f'<td class="number" data-value="{float(value)!r}">{shown}</td>'


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    alt = escape(picture.alt)
    return f'<figure><img alt="{alt}" src="data:image/png;base64,{data}"></figure>'


def _facts(facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    rows = "\n".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()
    )
    return f"<section><h2>What was run</h2>\n<dl>{rows}</dl></section>"


def _command(command: str) -> str:
    if not command:
        return ""
    return f"<section><h2>Run it again</h2>\n<pre><code>{escape(command)}</code></pre></section>"
