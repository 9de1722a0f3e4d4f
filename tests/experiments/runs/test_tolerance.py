"""How far two tables may lie apart."""

import pytest

from experiments.errors import InputError
from experiments.runs.tolerance import distance


def table(*rows):
    return "\n".join(["arm,seed,test accuracy,loss,ece", *rows, ""]).encode()


@pytest.mark.parametrize(("row", "within"), [
    ("a,0,54,1.0,0.1", True),
    ("a,0,56,1.0,0.1", False),  # 6 points
    ("a,0,50,1.19,0.1", True),
    ("a,0,50,1.21,0.1", False),  # 0.1 + 10 % of the smaller
    ("a,0,50,0.82,0.1", True),
    ("a,0,50,0.8,0.1", False),
    ("a,0,50,inf,0.1", False),
    ("a,0,50,nan,0.1", False),
    ("a,0,50,,0.1", False),
])  # fmt: skip
def test_what_is_tolerated(row, within):
    one, other = table("a,0,50,1.0,0.1"), table(row)
    for pair in ((one, other), (other, one)):
        assert (distance(*pair, 2, 1.0).beyond == "") is within


def test_shares_go_by_points_in_their_unit():
    one = table("a,0,0.5,1.0,0.1")
    assert distance(one, table("a,0,0.54,1.0,0.14"), 2, 0.01).beyond == ""
    assert distance(one, table("a,0,0.5,1.0,0.16"), 2, 0.01).beyond == "a, 0"


def test_the_first_row_that_is_beyond_is_named_and_the_largest_distances():
    one = table("a,0,50,1,0", "b,0,50,1,0", "c,0,50,1,0")
    found = distance(one, table("a,0,51,1,0", "b,0,60,1.5,0", "c,0,90,1,0"), 2, 1.0)
    assert (found.points, found.others, found.beyond) == (40, 0.5, "b, 0")


def test_what_is_the_same_twice_is_no_difference():
    assert distance(table("a,0,1,nan,inf"), table("a,0,1,nan,inf"), 2, 1.0).beyond == ""


def test_tables_without_rows_are_the_same():
    assert distance(table(), table(), 2, 1.0).beyond == ""


@pytest.mark.parametrize("other", [
    table("a,1,50,1,0"), table("a,0,50,1"), table("a,0,x,1,0"), table(), b"arm\n", b"\xff",
    table("a,0,50,1,0", "a,0,50,1,0"), b"",
])  # fmt: skip
def test_another_table_is_one_message(other):
    for pair in ((other, table("a,0,50,1,0")), (table("a,0,50,1,0"), other)):
        with pytest.raises(InputError, match="Expected"):
            distance(*pair, 2, 1.0)
