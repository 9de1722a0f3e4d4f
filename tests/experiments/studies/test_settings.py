"""The words of a command line say the settings, and parse back into them."""

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.errors import InputError
from experiments.studies import STUDIES
from experiments.studies.command import Asked, parse
from experiments.studies.compare.settings import Compare, Data, Training
from experiments.studies.settings import in_shell

CHANGES = {
    "where": {
        "seeds": 3,
        "smoke": True,
        "dataset": ("my file.npz", "digits"),
        "learning_rate": 0.1,
        "chunk": 7,
    },
    "uci": {"data_dir": Path("my data"), "sets": ("all", "wine"), "arms": ("off",), "rate": 0.25},
    "uncertainty": {"widths": (8, 4), "unseen": (1,), "seed": 2**32 - 1, "seeds": 2},
}


@pytest.mark.parametrize("name", CHANGES)
def test_words_parse_back(name):
    settings = replace(STUDIES[name].defaults, **CHANGES[name])
    words = Asked(name, settings).words
    assert words[:2] == ["run", name]
    assert parse(words[1:]) == Asked(name, settings)
    assert Asked(name, STUDIES[name].defaults).words == ["run", name]


def test_a_flag_that_is_off_where_it_usually_is_on_is_said():
    on = replace(STUDIES["where"].defaults, smoke=True)
    assert in_shell("run where", replace(on, smoke=False), on).endswith("run where --no-smoke")


def test_where_a_run_goes_is_not_said_and_folders_are_left_to_name():
    settings = replace(STUDIES["uci"].defaults, data_dir=Path("mine"), output=Path("x"), seeds=2)
    said = "python -m experiments run uci --data-dir FOLDER --seeds 2"
    assert in_shell("run uci", settings) == said


@pytest.mark.parametrize(("train_size", "rate", "recurrent", "combine"), [
    (400, 50, 20, 50), (49, 49, 20, 40), (19, 19, 19, 16), (1, 1, 1, 1),
])  # fmt: skip
def test_a_batch_is_as_large_as_usual_or_as_all_that_trains(train_size, rate, recurrent, combine):
    for name, batch in {"rate": rate, "recurrent": recurrent, "combine": combine}.items():
        settings = replace(STUDIES[name].defaults, train_size=train_size)
        assert settings.protocol.batch_size == settings.anywhere.batch_size == batch
    assert Compare(data=Data(train_size=train_size)).protocol.batch_size == rate


def test_a_batch_that_is_asked_for_has_to_fit():
    message = "a --batch-size of at most the 49 training .*; got 50. Make it smaller"
    with pytest.raises(InputError, match=message):
        replace(STUDIES["rate"].defaults, train_size=49, batch_size=50)
    with pytest.raises(InputError, match=message):
        Compare(data=Data(train_size=49), training=Training(batch_size=50))


def test_the_words_have_the_batch_where_it_is_not_the_usual_one():
    settings = replace(STUDIES["rate"].defaults, train_size=49)
    words = in_shell("run rate", settings, STUDIES["rate"].defaults)
    assert words == "python -m experiments run rate --train-size 49 --batch-size 49"
