import io

import pytest
from rich.console import Console

from experiments.bench.progress import shown
from experiments.runs import progress


@pytest.mark.parametrize(("every", "lines"), [(0, 3), (3600, 0)])
def test_lines_come_between_samples_where_there_is_no_terminal(monkeypatch, every, lines):
    monkeypatch.setattr(progress, "EVERY", every)
    screen = io.StringIO()
    with shown(4, Console(file=screen)) as tell:
        tell("import", 0)
        tell("import", 1)
        tell("eager [mask]", 1)
    said = screen.getvalue().splitlines()
    assert len(said) == lines
    assert not lines or said[-1].startswith("eager [mask]: 50% done, ")


def test_a_terminal_has_a_bar():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with shown(4, console) as tell:
        tell("import", 1)
    assert "1/4" in screen.getvalue()
