import pytest

from experiments.report.figures import fold
from experiments.report.page import Page, render
from experiments.words import MARK, counted, duration, in_order, settings_of


@pytest.mark.parametrize(("number", "words"), [(0, "0 arms"), (1, "1 arm"), (2000, "2,000 arms")])
def test_one_is_no_plural(number, words):
    assert counted(number, "arm") == words


@pytest.mark.parametrize(("text", "marked"), [
    ("with dropout: -1 ± 2", "with dropout: -1 ± 2"), ("层: -1 ± 2", "层: -1 ± 2"),
    ("רחב: -1 ± 2", f"רחב{MARK}: -1 ± 2"),
    ("شبكة عميقة: -1, רחב -2", f"شبكة عميقة{MARK}: -1, רחב{MARK} -2"),
])  # fmt: skip
def test_numbers_behind_a_name_that_is_written_to_the_left_are_not(text, marked):
    """On pages and figures; what is copied from a page is as it was."""
    assert in_order(text) == fold(text, 99) == marked
    html = render(Page("a", text, command=f"run {text}")).decode()
    assert f'<p class="verdict">{marked}</p>' in html
    assert f"<code>run {text}</code>" in html


def test_settings_are_written_as_people_write_them():
    values = {"train_size": 400, "rates": (0.1, 1e-3), "norm": False, "pool": True, "model": None,
              "sites": (), "blocks": ((1, 16), (2, 32)), "activation": "relu"}  # fmt: skip
    assert settings_of(values) == (
        "train size 400; rates 0.1, 0.001; no norm; pool; blocks 1 × 16, 2 × 32; activation relu"
    )


@pytest.mark.parametrize(("seconds", "words"), [
    (0.2, "1 second"), (42.4, "42 seconds"), (89, "89 seconds"), (95, "2 minutes"),
    (5300, "88 minutes"), (5401, "2 hours"),
])  # fmt: skip
def test_times_are_as_exact_as_estimates(seconds, words):
    assert duration(seconds) == words
