"""The language model and the text that it reads."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments import cli, text
from experiments.errors import InputError
from experiments.models import Drop, LanguageModel
from experiments.trials import measure
from experiments.trials.design import Arm, Case, Design
from experiments.trials.settings import Settings

KEY = jax.random.key(1)
SMALL = LanguageModel(7, 5, embedding=4, hidden=6)
X = jax.random.randint(jax.random.key(2), (2, 3, 5), 0, 7)
SHAKESPEARE = Path(__file__).parents[3] / "shared" / "data" / "tinyshakespeare.txt"


@functools.cache
def model():
    return SMALL.build(jax.random.key(0))


def drop_at(*on, rate=0.5):
    return Drop(SMALL.sites, jnp.float32([rate * (site in on) for site in SMALL.sites]), KEY)


OFF = Drop(SMALL.sites)


def test_every_site_drops():
    none = model()(X, OFF)
    each = [np.asarray(model()(X, drop_at(site))) for site in SMALL.sites]
    assert all((logits != none).any() for logits in each)
    assert len({logits.tobytes() for logits in each}) == len(SMALL.sites)


def test_rate_zero_is_the_model_without_a_key():
    np.testing.assert_array_equal(model()(X, drop_at()), model()(X, OFF))


def test_a_single_text_gives_its_row_of_the_batch():
    whole = model()(X, OFF)
    assert whole.shape == (2, 3, 5, 7)
    np.testing.assert_allclose(model()(X[1, 2], OFF), whole[1, 2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("drop", [OFF, drop_at(*SMALL.sites)], ids=["off", "on"])
def test_a_later_character_changes_no_earlier_logit(drop):
    other = X.at[..., 3].set((X[..., 3] + 1) % 7)
    same = np.asarray(model()(X, drop) == model()(other, drop)).all((0, 1, 3))
    assert same.tolist() == [True, True, True, False, False]


@pytest.mark.parametrize(("kind", "constant"), [("naive", False), ("variational", True)])
def test_variational_masks_stay_over_the_steps_and_naive_ones_do_not(kind, constant):
    seen = {}

    class Seeing(Drop):
        def __call__(self, site, x, *args, **options):
            found = Drop.__call__(self, site, jnp.ones_like(x), *args, **options)
            if site == f"input.{kind}":
                seen["mask"] = np.asarray(found != 0)
            return x

    model()(X[0], Seeing(*drop_at(*SMALL.sites)))
    masks = seen["mask"]  # texts, steps, features
    assert (masks == masks[:, :1]).all() == constant
    assert not (masks == masks[:1]).all()


@pytest.mark.parametrize("key", [KEY, None], ids=["training", "evaluation"])
def test_zoneout_at_rate_1_keeps_the_first_state(key):
    drop = drop_at("zoneout", rate=1.0)._replace(key=key)
    nothing = model().head(jnp.zeros(6))
    np.testing.assert_array_equal(model()(X, drop), jnp.broadcast_to(nothing, (2, 3, 5, 7)))


def test_zoneout_draws_anew_for_each_step_and_state():
    draws = [int(OFF.draw("zoneout", place)) for place in range(10)]
    draws += [int(OFF.draw("recurrent.naive", time + 1)) for time in range(5)]
    assert len({*draws, *range(len(SMALL.sites))} - set(range(len(SMALL.sites)))) == 14


def test_the_parameters_are_those_of_an_lstm():
    assert SMALL.parameters == 7 * 4 + 4 * 24 + 6 * 24 + 24 + 6 * 7 + 7
    assert len(jax.tree.leaves(nnx.state(model()))) == 6


def test_it_learns_a_text_that_repeats_itself():
    numbers, alphabet = text.encode("abcdefg " * 60)
    windows = numbers.reshape(-1, 8)
    data = text.Dataset(windows[:40, :-1], windows[:40, 1:], windows[40:, :-1], windows[40:, 1:])
    case = Case(LanguageModel(alphabet, 7, 4, 8), data, {"none": Arm(), "v": Arm({"weights": 0.2})})
    settings = Settings(train_size=40, batch_size=10, epochs=20, seeds=2, learning_rate=0.03)
    found = measure.run("text", Design({"text": case}, []), settings)["text"]
    first, last = (table["test NLL"] for table in (found.history[0], found.final))
    assert (last < first / 2).all()
    assert (found.final["test accuracy"] > 80).all()


def test_windows_never_overlap_and_each_character_is_told_the_next():
    data, alphabet = text.load("sklearn", 32, 100, 50)
    whole, _ = text.encode(text._shipped())
    np.testing.assert_array_equal(data.x_train[:, 1:], data.y_train[:, :-1])
    joined = np.concatenate([data.x_train, data.y_train[:, -1:]], 1).ravel()
    np.testing.assert_array_equal(joined, whole[: 100 * 33])
    end = len(whole) // 33 * 33
    np.testing.assert_array_equal(data.x_test[0], whole[end - 50 * 33 :][:32])
    assert 100 + 50 < len(whole) // 33
    assert alphabet == max(whole) + 1


def test_rare_characters_are_one():
    numbers, alphabet = text.encode("ab" * 5 + "xyz")
    assert numbers.tolist() == [1, 2] * 5 + [0, 0, 0]
    assert alphabet == 3


@pytest.mark.parametrize(("name", "content", "message"), [
    ("text.md", b"", "path of a .txt file"),
    ("text.txt", None, "Expected text in UTF-8"),
    ("text.txt", b"\xff\xfe\xff", "Expected text in UTF-8"),
    ("text.txt", b"abc", "a character seen 5 times"),
    ("text.txt", b"abc" * 30, "a --train-size below 2"),
])  # fmt: skip
def test_bad_text(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        text.load(str(tmp_path / name), 32, 10, 10)


def test_bad_text_on_the_command_line_leaves_nothing(tmp_path, capsys):
    words = ["run", "recurrent", "--dataset", "no.txt", "--output", str(tmp_path / "run")]
    assert cli.main(words) == 2
    assert "Expected text in UTF-8 in no.txt" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="shared/data holds no tinyshakespeare.txt")
def test_a_real_text_is_cut_in_windows():
    data, alphabet = text.load(str(SHAKESPEARE), 64, 1000, 500)
    assert [array.shape for array in data] == [(1000, 64)] * 2 + [(500, 64)] * 2
    assert 50 < alphabet < 70
