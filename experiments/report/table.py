"""A table is one value: on the screen, on a page, in Markdown, in CSV."""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich import box
from rich.table import Table as Screen


class Cell(NamedTuple):
    """What a table shows, and the number that it is sorted by; `href` makes it a link."""

    text: str
    value: float | None = None
    href: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; what is no `Cell` is shown as it is written."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""
    best: Collection[int] = ()
    """Rows that stand out on the screen."""

    @property
    def cells(self) -> list[list[Cell]]:
        """Row by row."""
        return [[_cell(value) for value in row] for row in self.rows]

    def numeric(self, column: int) -> bool:
        """Whether a column is one of numbers, which stand to the right."""
        return bool(self.rows) and self.cells[0][column].value is not None

    def screen(
        self,
        columns: Sequence[int] | None = None,
        *,
        right: bool = True,
        no_wrap: bool = False,
        padding: tuple[int, int, int, int] = (0, 1, 0, 0),
    ) -> Screen:
        """All columns or some; numbers to the right, or left under left."""
        shown = range(len(self.header)) if columns is None else columns
        screen = Screen(box=box.SIMPLE_HEAD, padding=padding, title=self.title or None)
        for column in shown:
            justify = "right" if right and self.numeric(column) else "left"
            screen.add_column(self.header[column], justify=justify, no_wrap=no_wrap)
        for number, row in enumerate(self.cells):
            style = "bold green" if number in self.best else ""
            screen.add_row(*(row[column].text for column in shown), style=style)
        return screen

    def markdown(self) -> str:
        """Rows of pipes."""
        lines = [self.header, ["---:" if self.numeric(i) else "---" for i in self._columns]]
        lines += [[cell.text.replace("|", "\\|") for cell in row] for row in self.cells]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def csv(self) -> bytes:
        """For programs."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([self.header, *([cell.text for cell in row] for row in self.cells)])
        return text.getvalue().encode()

    @property
    def _columns(self) -> range:
        return range(len(self.header))


def _cell(value: object) -> Cell:
    return value if isinstance(value, Cell) else Cell(str(value))
