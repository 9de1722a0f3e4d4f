"""What the README says holds: its code runs, its links lead somewhere, its table is complete."""

import inspect
import re
from pathlib import Path

import jax
import pytest

import jaxdrop
import jaxdrop.linen
import jaxdrop.nnx

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
ROW = re.compile(r"^\| (\[`.*) \|$", re.MULTILINE)
ROWS = [line.split(" | ") for line in ROW.findall(TEXT)]
LINK = re.compile(r"\[`(\w+)`\]\((.+)\)")
FUNCTIONS = [LINK.findall(row[0])[0][0] for row in ROWS]
BESIDES = {"classical_inference", "zoneout_inference", "concrete_regularizer", "r_drop_loss"}
NO_OPERATORS = BESIDES | {"keep_mask", "apply_mask", "complementary_masks", "derive", "shard_key"}


def test_its_code_runs():
    """Top to bottom, in one namespace."""
    assert len(BLOCKS) >= 4, "no code was found: the tour is gone, or its fences changed"
    namespace: dict[str, object] = {}
    with jax.numpy_dtype_promotion("standard"):  # as a reader has it
        for block in BLOCKS:
            exec(compile(block, str(README), "exec"), namespace)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))
def test_what_it_links_to_is_there(link: str):
    assert (README.parent / link).exists()


def test_its_figure_is_told_in_the_numbers_that_are_drawn():
    ((told, name),) = re.findall(r"!\[(.*)\]\((.*)\)", TEXT)
    drawn = re.findall(">([^<>]+)</text>", (README.parent / name).read_text())
    numbers = re.findall(r"([+-][\d.]+) (± [\d.]+)", told)
    assert len(numbers) == 2
    assert {text for pair in numbers for text in pair} <= {*drawn}


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 220
    wide = [line for line in TEXT.splitlines() if len(line) > 120]
    assert [line for line in wide if line[0] not in "|!"] == []


def test_its_table_has_every_operator():
    operators = {name for name in dir(jaxdrop) if inspect.isfunction(getattr(jaxdrop, name))}
    assert sorted(FUNCTIONS) == sorted(operators - NO_OPERATORS)
    assert all(f"`{name}`" in TEXT for name in NO_OPERATORS)


@pytest.mark.parametrize(("module", "column"), [(jaxdrop, 0), (jaxdrop.nnx, 2), (jaxdrop.linen, 3)])
def test_its_table_links_to_where_each_is(module, column: int):
    found = [LINK.fullmatch(row[column]) for row in ROWS]
    for name, file in (link.groups() for link in found if link):
        source = inspect.getsourcefile(getattr(module, name))
        assert source is not None
        assert Path(source) == (README.parent / file).resolve()


@pytest.mark.parametrize(("module", "column"), [(jaxdrop.nnx, 2), (jaxdrop.linen, 3)])
def test_its_table_has_every_module(module, column: int):
    """An operator's module has its name in CamelCase."""
    for function, row in zip(FUNCTIONS, ROWS, strict=True):
        named = "".join(part.capitalize() for part in function.split("_"))
        assert (row[column] != "–") == (hasattr(module, named) or hasattr(module, function))
