"""The README's code runs, top to bottom, in one namespace."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_tour_runs():
    assert len(BLOCKS) >= 4, "no code was found: the tour is gone, or its fences changed"
    namespace: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, str(README), "exec"), namespace)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text()))
def test_what_the_readme_links_to_is_there(link: str):
    assert (README.parent / link).exists()
