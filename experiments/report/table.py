"""A table is one value: on the screen, on a page, in Markdown, in CSV."""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
        """Whether a column begins with a number: then it stands to the right."""
        return len(self.rows) > 0 and _cell(self.rows[0][column]).value is not None

    @property
    def words(self) -> bool:
        """Whether it holds hardly a number: then a narrow page shows cell below cell."""
        return sum(self.numeric(column) for column in range(len(self.header))) < 2

    def screen(
        self,
        columns: Sequence[int] | None = None,
        *,
        right: bool = True,
        no_wrap: bool = False,
        best: str = "bold green",
        **style: Any,
    ) -> Screen:
        """All columns or some; numbers to the right, or left under left. `style` is rich's."""
        shown = range(len(self.header)) if columns is None else columns
        usual = {"box": box.SIMPLE_HEAD, "padding": (0, 1, 0, 0), "title": self.title or None}
        screen = Screen(**usual | style)
        for column in shown:
            justify = "right" if right and self.numeric(column) else "left"
            screen.add_column(self.header[column], justify=justify, no_wrap=no_wrap)
        for number, row in enumerate(self.cells):
            words = (row[column].text for column in shown)
            screen.add_row(*words, style=best if number in self.best else "")
        return screen

    def markdown(self) -> str:
        """Rows of pipes."""
        columns = range(len(self.header))
        lines = [self.header, ["---:" if self.numeric(column) else "---" for column in columns]]
        lines += [[cell.text.replace("|", "\\|") for cell in row] for row in self.cells]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def csv(self) -> bytes:
        """For programs."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([self.header, *([cell.text for cell in row] for row in self.cells)])
        return text.getvalue().encode()


def _cell(value: object) -> Cell:
    return value if isinstance(value, Cell) else Cell(str(value))
