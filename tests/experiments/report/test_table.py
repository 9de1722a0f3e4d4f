"""One value, and what it is on the screen, in Markdown and for programs."""

import csv
import io

import numpy as np
from rich.console import Console

from experiments.report.figures import panels, points
from experiments.report.intervals import interval
from experiments.report.table import Cell, Table

TABLE = Table(
    "Fruit",
    ("name", "a | b", "seeds"),
    [("apple, red", Cell("1.50", 1.5), 3), ("fig", Cell("–", float("nan")), 10)],
    best=[1],
)


def printed(screen, **options) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=60, **options).print(screen)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_numbers_stand_to_the_right_or_left_under_left():
    right, left = printed(TABLE.screen()), printed(TABLE.screen(right=False))
    assert right[2] == " name        a | b  seeds"
    assert right[4:6] == [" apple, red   1.50  3", " fig             –  10"]
    assert left[4:6] == [" apple, red  1.50   3", " fig         –      10"]


def test_some_columns_are_shown_and_the_best_row_stands_out():
    assert printed(TABLE.screen((0, 2)))[2].split() == ["name", "seeds"]
    coloured = printed(TABLE.screen(best="bold red"), force_terminal=True, color_system="standard")
    assert ["\x1b[1;31m" in line for line in coloured[4:6]] == [False, True]


def test_markdown_keeps_its_columns_whatever_they_hold():
    held = Table("", TABLE.header, [("a|b", Cell("1", 1.0), 2)]).markdown().splitlines()
    assert held[1:] == ["| --- | ---: | --- |", "| a\\|b | 1 | 2 |"]


def test_programs_read_what_is_shown():
    rows = list(csv.reader(io.StringIO(TABLE.csv().decode())))
    assert rows == [["name", "a | b", "seeds"], ["apple, red", "1.50", "3"], ["fig", "–", "10"]]
    digits = Table("", ["x"], [[np.float32(0.1)], [1 / 3]]).csv()
    assert digits == b"x\n0.1\n0.3333333333333333\n"


def test_a_table_without_rows_has_no_numbers():
    empty = Table("", ("name",), [])
    assert not empty.numeric(0)
    assert empty.csv() == b"name\n"


def test_panels_that_are_not_needed_are_off():
    figure, shown = panels(3, 2, 1.0, 1.0)
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
    assert shown == figure.axes[:3]


def test_points_have_bars_where_there_is_an_interval():
    for values, length in (([[1.0], [3.0]], 12.706), ([[2.0]], 0.0)):
        _, (axes,) = panels(1, 1, 1.0, 1.0)
        spread = interval(np.array(values))
        points(axes, [0], spread, flat=True)
        bar = axes.collections[0].get_paths()[0].vertices
        low, high = np.asarray(bar)[:, 0]
        assert np.isclose((high - low) / 2, length, rtol=1e-3)
