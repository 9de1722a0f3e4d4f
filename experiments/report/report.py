"""What a run says, as one value: its files, its page and what is printed follow from it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table as Screen

from experiments.report.files import Files, as_json
from experiments.report.page import Page, Picture, render
from experiments.report.table import Table
from experiments.report.verdict import Conclusion, Verdict

SMOKE = "SMOKE, which is no result"


@dataclass(frozen=True)
class Report:
    """Numbers go into files of their own; the page shows tables, pictures and facts."""

    settings: Any
    conclusion: Conclusion
    verdict: Verdict | None
    """On the claim, if there is one."""
    sentence: str
    """The verdict and its number, as the page begins with them."""
    numbers: Mapping[str, Table]
    """By the names of their files."""
    tables: Sequence[Table]
    draw: Callable[[], Mapping[str, Picture]]
    """The pictures, by the names of their files; what has no name is on the page alone."""
    facts: Mapping[str, str]
    """What was run."""
    screens: Sequence[Screen]
    lines: Sequence[str]
    """Below the tables on the screen."""
    width: int = 0
    """Columns of the screen at least."""

    def files(self) -> Files:
        """All that is text."""
        numbers = {name: table.csv() for name, table in self.numbers.items()}
        config = {"config.json": as_json(dataclasses.asdict(self.settings))}
        return config | numbers | replace(self.conclusion, details=self._details()).file()

    def _details(self) -> str:
        tables = (f"**{table.title}**\n\n{table.markdown()}" for table in self.tables)
        lines = filter(None, (*self.lines, self.finding))
        return "\n".join([*tables, *(f"{line}\n" for line in lines)])

    @property
    def finding(self) -> str:
        """What is said last where there is no verdict to say."""
        return "" if self.verdict else self.sentence

    def figures(self) -> Files:
        """The pictures, and the page that shows them."""
        drawn, claim = self.draw(), self.conclusion.claim
        title = f"{f'{SMOKE}: ' * self.is_smoke}{claim[0].upper()}{claim[1:].removesuffix('?')}?"
        shown, command = list(drawn.values()), self.conclusion.command
        page = Page(title, self.sentence, self.tables, shown, self.facts, command)
        files = {name: picture.svg for name, picture in drawn.items() if name}
        return files | {"report.html": render(page)}

    def show(self, *more: str) -> None:
        """Prints the tables, what is to be said of them and more, and the finding in one line."""
        console = Console(highlight=False, width=max(Console().width, self.width))
        for screen in self.screens:
            console.print(screen)
        for line in (*self.lines, *([f"{SMOKE}."] * self.is_smoke)):
            console.print(line, markup=False)
        for line in filter(None, (*more, self.finding)):
            console.print(line, markup=False, soft_wrap=True)

    @property
    def is_smoke(self) -> bool:
        """Whether nothing is concluded."""
        return getattr(self.settings, "smoke", False)
