"""What a command asks of training, and what it makes of it: the part that all commands share."""

from collections.abc import Callable
from dataclasses import dataclass

from experiments.manifest import Head
from experiments.sweep import History, Task

Files = dict[str, bytes]


@dataclass(frozen=True)
class Work:
    """Ready to be trained, resumed or verified."""

    head: Head
    task: Task
    tables: Callable[[History], Files]
    """Files that are the same, byte for byte, whenever the training is."""
    figures: Callable[[History], Files]
    show: Callable[[History], None]
    """Prints the results."""
