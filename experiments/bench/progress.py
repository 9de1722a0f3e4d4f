"""How far the benchmark is, told between samples: never while one is timed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from experiments.runs import progress
from experiments.runs.progress import Progress

Tell = Callable[[str, int], None]
"""Of which job so many samples more are done."""


@contextmanager
def shown(total: int, console: Console) -> Iterator[Tell]:
    """A bar on a terminal, now and then a line elsewhere."""
    if not console.is_terminal:
        yield _lines(total, console)
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn()
    options = {"console": console, "auto_refresh": False, "transient": True}
    with Bar(*columns, TimeElapsedColumn(), **options) as bar:
        task = bar.add_task("", total=total)

        def tell(title: str, more: int) -> None:
            bar.update(task, description=title, advance=more, refresh=True)

        yield tell


def _lines(total: int, console: Console) -> Tell:
    working, told = Progress(total), time.monotonic()

    def tell(title: str, more: int) -> None:
        nonlocal told
        working.what, working.done = title, working.done + more
        if time.monotonic() - told >= progress.EVERY:
            told = time.monotonic()
            console.print(working.line, markup=False, highlight=False, soft_wrap=True)

    return tell
