"""From work to a run folder: trains with a progress bar, prints, writes."""

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from experiments import manifest, runs, sweep
from experiments.sweep import History
from experiments.train import block_ends
from experiments.work import Work


def train(work: Work, folder: Path) -> None:
    """Trains, prints the results, writes the run folder."""
    history = run(work)
    try:
        files = work.tables(history) | work.figures(history)
        runs.write(folder, files, manifest.complete(work.head, history, files))
    finally:  # a full disk should not cost the results
        work.show(history)
    print(f"Written to {folder}")


def run(work: Work) -> History:
    """Trains under a progress bar that hangs on the ends of blocks."""
    layout, epochs = work.task.layout, work.task.plan.epochs
    with Progress(console=Console(file=sys.stderr)) as progress:
        title = f"Training {layout.arms} arms × {layout.seeds} seeds"
        bar = progress.add_task(title, total=layout.chunks * len(block_ends(epochs)))
        return sweep.run(work.task, lambda: progress.advance(bar))
