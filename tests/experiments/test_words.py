import pytest

from experiments.words import counted, duration


@pytest.mark.parametrize(("number", "words"), [(0, "0 arms"), (1, "1 arm"), (2000, "2,000 arms")])
def test_one_is_no_plural(number, words):
    assert counted(number, "arm") == words


@pytest.mark.parametrize(("seconds", "words"), [
    (0.2, "1 second"), (42.4, "42 seconds"), (89, "89 seconds"), (95, "2 minutes"),
    (5300, "88 minutes"), (5401, "2 hours"),
])  # fmt: skip
def test_times_are_as_exact_as_estimates(seconds, words):
    assert duration(seconds) == words
