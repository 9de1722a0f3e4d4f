"""The language model and the vision transformer: what their sites drop, and what they compute."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import lax

import jaxdrop
from experiments.data import text
from experiments.errors import InputError
from experiments.models import Drop, LanguageModel, VisionTransformer
from experiments.training.chunks import Layout
from experiments.training.recipe import recipe, stack
from experiments.training.sweep import Task, run
from experiments.training.task import Plan, Problem
from tests.experiments import sites, tiny
from tests.experiments.sites import KEY, drop_at

LANGUAGE = LanguageModel(alphabet=24, length=6, embedding=5, hidden=24)
VISION = VisionTransformer((4, 6, 2), 3, width=8, heads=2, blocks=2)
RNG = np.random.default_rng(0)
INPUTS = {
    "language": (LANGUAGE, RNG.integers(24, size=(2, 25, 6), dtype=np.int32)),
    "vision": (VISION, RNG.normal(size=(2, 10, 48)).astype(np.float32)),
}
of_each = pytest.mark.parametrize("name", INPUTS)


@functools.cache
def model_of(name):
    return INPUTS[name][0].build(jax.random.key(0))


@functools.cache
def plain(name):
    return sites.plain(INPUTS[name][0], model_of(name))


@functools.cache
def logits_of(name):
    return sites.every_site(INPUTS[name][0], model_of(name), INPUTS[name][1])


@of_each
def test_every_site_drops(name):
    none, *each = logits_of(name)
    assert all((logits != none).any() for logits in each)
    assert len({logits.tobytes() for logits in each}) == len(each)


@of_each
def test_rate_zero_is_the_model_without_a_key(name):
    np.testing.assert_allclose(
        logits_of(name)[0], plain(name)(INPUTS[name][1]), rtol=1e-5, atol=1e-6
    )


@of_each
def test_a_single_example_gives_its_row_of_the_batch(name):
    architecture, x = INPUTS[name]
    whole, model = plain(name)(x), model_of(name)
    assert whole.shape[:2] == x.shape[:2]
    np.testing.assert_allclose(plain(name)(x[1, 2]), whole[1, 2], rtol=1e-4, atol=1e-5)
    run = lambda x: model(x, drop_at(architecture.sites, *architecture.sites))  # noqa: E731
    assert nnx.eval_shape(run, x[1, 2]).shape == whole.shape[2:]


@of_each
def test_only_weights_are_held(name):
    held, known = nnx.state(model_of(name)), nnx.state(model_of(name), nnx.Param)
    assert len(jax.tree.leaves(held)) == len(jax.tree.leaves(known))
    assert INPUTS[name][0].example().shape == INPUTS[name][1].shape[2:]
    assert INPUTS[name][0].example().dtype == INPUTS[name][1].dtype


# The language model.


def lstm(model, x, keep=0.0):
    """As in textbooks, a character at a time; `keep` of the state stays as it was."""
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    names = ("kernel", "recurrent", "bias")
    kernel, recurrent, bias = (np.asarray(getattr(model, name)[...]) for name in names)
    hidden = cell = np.zeros((*x.shape[:2], len(recurrent)))
    for inputs in np.moveaxis(np.asarray(model.embed.embedding[...])[x], 2, 0):
        i, f, g, o = np.split(inputs @ kernel + hidden @ recurrent + bias, 4, -1)
        new = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        out = sigmoid(o) * np.tanh(new)
        hidden, cell = keep * hidden + (1 - keep) * out, keep * cell + (1 - keep) * new
        yield hidden @ np.asarray(model.head.kernel[...]) + np.asarray(model.head.bias[...])


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_in_use_it_is_an_lstm_with_zoneout_at_its_expectation(rate):
    model, x = model_of("language"), INPUTS["language"][1]
    expected = np.stack(list(lstm(model, x, rate)), 2)
    found = plain("language")(x, drop_at(LANGUAGE.sites, "zoneout", rate=rate).rates)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_forget_gates_begin_open_and_the_recurrent_kernel_orthogonal():
    model = model_of("language")
    assert model.bias[...].tolist() == [0] * 24 + [1] * 24 + [0] * 48
    recurrent = np.asarray(model.recurrent[...])
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(24), atol=1e-5)


def test_zoneout_at_rate_1_keeps_the_first_state():
    model, x = model_of("language"), INPUTS["language"][1]
    first = np.broadcast_to(model.head.bias[...], (*x.shape, 24))
    rates = drop_at(LANGUAGE.sites, "zoneout", rate=1.0).rates
    for found in (sites.logits(LANGUAGE, model, x, rates), plain("language")(x, rates)):
        np.testing.assert_array_equal(found, first)


def test_no_logit_sees_a_later_character():
    rates = drop_at(LANGUAGE.sites, *LANGUAGE.sites, rate=0.1).rates
    dropped = lambda x: sites.logits(LANGUAGE, model_of("language"), x, rates)  # noqa: E731
    x = INPUTS["language"][1]
    other = (x + (np.arange(6) == 3)).astype(np.int32) % 24
    for logits in (plain("language"), dropped):
        changed = (np.asarray(logits(x)) != logits(other)).any((0, 1, 3))
        assert changed.tolist() == [False] * 3 + [True] * 3


def states_of(site, i, f, o, recurrent):
    """With such gates, and without inputs: examples, steps, units."""
    model = LANGUAGE.bind(nnx.state(model_of("language")))
    model.kernel.set_value(np.zeros((5, 96), np.float32))
    model.bias.set_value(np.repeat(np.array([i, f, 0.5, o], np.float32), 24))
    model.recurrent.set_value(np.float32(recurrent))
    model.head.kernel.set_value(np.eye(24, dtype=np.float32))
    rates = drop_at(LANGUAGE.sites, site).rates
    return sites.logits(LANGUAGE, model, INPUTS["language"][1], rates).reshape(50, 6, 24)


def masks(site):
    """Which states were kept or updated at each step but the first: examples, steps, units.

    Without inputs, and where gates i and o are open and f is shut, a state that a unit sees changes
    it; a unit whose own is hidden goes back to its first state.
    """
    states = states_of(site, 50, -50, 50, np.eye(24, 96, 48) / 2)
    return np.abs(states[:, 1:] - states[:, :1]) > 1e-3


@pytest.mark.parametrize(("site", "each_step", "each_example"), [
    ("recurrent.naive", True, True),
    ("recurrent.variational", False, True),
    ("weights", False, False),
])  # fmt: skip
def test_which_masks_of_the_state_last_for_all_steps(site, each_step, each_example):
    kept = masks(site)
    assert 0.3 < kept.mean() < 0.7
    assert (kept != kept[:, :1]).any() == each_step
    assert (kept != kept[:1]).any() == each_example
    shared = (kept[:, 1:] == kept[:, :-1]).mean()
    assert 0.3 < shared < 0.7 if each_step else shared == 1


def test_zoneout_draws_for_each_step_and_for_both_states():
    opened = 50, 50, 50  # the cell counts its updates
    states = states_of("zoneout", *opened, np.zeros((24, 96)))[:, :3]
    updated = states != 0
    np.testing.assert_allclose(updated.mean((0, 2)), [1 / 2, 3 / 4, 7 / 8], atol=0.05)
    second = states[:, 1][~updated[:, 0] & updated[:, 1]]
    counted = second > np.tanh(np.tanh(0.5)) + 1e-3  # the first update, though `hidden` missed it
    assert 0.4 < counted.mean() < 0.6


@pytest.mark.parametrize("kind", ["naive", "variational"])
def test_masks_of_inputs_last_for_one_step_or_for_all(kind):
    x, site = INPUTS["language"][1], f"input.{kind}"
    [(_, before, after)] = sites.logged(LANGUAGE, model_of("language"), x, site)
    kept = after != 0
    assert before.shape == (50, 6, 5)
    assert (kept != kept[:, :1]).any() == (kind == "naive")
    assert (kept != kept[:1]).any()


def test_whole_characters_are_dropped():
    x = INPUTS["language"][1]
    [(_, before, after)] = sites.logged(LANGUAGE, model_of("language"), x, "embedding")
    kept = (after != 0).all(1)
    assert 0 < kept.sum() < len(kept) == 24
    np.testing.assert_allclose(after, 2 * before * kept[:, None], rtol=1e-6)


# The vision transformer.


def seen(*on):
    return sites.logged(VISION, model_of("vision"), INPUTS["vision"][1], *on)


def test_sites_are_in_the_order_of_depth_but_for_the_first_branch():
    expected = ["patches"]
    for block in "12":
        kinds = ("attention", "residual", "path", "mlp", "residual", "path")
        expected += [kind + block for kind in kinds]
    assert [site for site, *_ in seen()] == expected
    assert set(expected) == set(VISION.sites)


def test_patches_are_squares_of_the_image_in_order():
    pixels = np.arange(48.0).reshape(1, 4, 6, 2)
    expected = [pixels[0, i : i + 2, j : j + 2].ravel() for i in (0, 2) for j in (0, 2, 4)]
    np.testing.assert_array_equal(model_of("vision")._patches(pixels)[0], expected)


def test_attention_is_that_of_jax():
    block = model_of("vision").blocks[0]

    @jax.jit
    def both(x):
        query, key, value = jnp.split(block.mixed(x).reshape(3, 6, 6, 4), 3, 2)
        expected = jax.nn.dot_product_attention(query, key, value).reshape(3, 6, 8)
        return block._attend(x, Drop(VISION.sites)), expected

    found, expected = both(RNG.normal(size=(3, 6, 8)).astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_whole_patches_are_dropped():
    [(_, before, after)] = seen("patches")
    kept = (after != 0).any(2)
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_allclose(after, 2 * before * kept[..., None], rtol=1e-6)


def test_attention_weights_are_dropped_one_by_one_after_the_softmax():
    drop, zeros = drop_at(VISION.sites, "attention1"), jnp.zeros((20, 6, 2, 4))
    unit: Any = np.broadcast_to(np.eye(6, dtype=np.float32)[:, None], (20, 6, 2, 6))

    @jax.jit
    def both():
        kept = jaxdrop.keep_mask(drop.key_of(drop.draw("attention1")), 0.5, (20, 2, 6, 6))
        return drop.attend("attention1", zeros, zeros, unit), kept

    weights, kept = map(np.asarray, both())
    np.testing.assert_allclose(weights.swapaxes(1, 2), kept / 3, rtol=1e-5)


def test_the_two_branches_of_a_block_are_dropped_whole_each_by_its_own_draw():
    kept = []
    for _, before, after in seen("path2"):
        kept.append((after != 0).any((1, 2)))
        np.testing.assert_allclose(after, 2 * before * kept[-1][:, None, None], rtol=1e-6)
    assert all(0 < each.sum() < 20 for each in kept)
    assert (kept[0] != kept[1]).any()


def test_elements_of_both_branches_are_dropped_each_by_its_own_draw():
    first, second = (after != 0 for _, _, after in seen("residual1"))
    assert 0.3 < (first == second).mean() < 0.7


def test_what_does_not_come_out_even_is_refused():
    with pytest.raises(InputError, match="patches of 4 divide; got 4x6"):
        VisionTransformer((4, 6, 2), 3, patch=4)
    with pytest.raises(InputError, match="3 heads divide; got 8"):
        VisionTransformer((4, 6, 2), 3, width=8, heads=3)


def test_numbers_made_in_a_loop_count_for_each_of_its_steps():
    short, long = (LanguageModel(7, length, 5, 4).units for length in (20, 40))
    assert 1.9 < long / short < 2.1
    inputs, states, logits, inside = 5, 4, 7, 150
    assert short > 20 * (inputs + 4 * states + states + logits + inside)


# Both learn.


def test_training_learns_and_all_sites_are_arms_of_one_program():
    data, alphabet = text.load("sklearn", 8, 60, 20)
    architecture = LanguageModel(alphabet, 8, 4, 8)
    own = architecture.sites
    arms = stack(
        [recipe(own, rates, learning_rate=0.02) for rates in ({}, *({s: 0.3} for s in own))]
    )
    layout = Layout(1, 1 + len(own), 1 + len(own), 1).on(jax.device_count())
    problem = Problem(data, np.array(0, np.uint32))
    metrics = run(Task(Plan(architecture, 60, 20, 3, 3, 3), problem, arms, layout)).metrics
    losses = np.stack([block.train_nll[0] for block in metrics])
    assert (losses[-1] < losses[0]).all()
    assert len({*losses[-1].tolist()}) == 1 + len(own)


def test_the_transformer_learns_whichever_site_drops():
    architecture = VisionTransformer((8, 8, 1), 10, patch=4, width=8, heads=2, blocks=1)
    own, (x, y, *_) = architecture.sites, tiny.digits()

    @jax.jit
    @jax.vmap
    def losses(rates):
        def loss(states):
            logits = architecture.bind(states)(x, Drop(own, rates, KEY, training=True))
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        def step(states, _):
            value, gradient = jax.value_and_grad(loss)(states)
            return jax.tree.map(lambda a, b: a - 0.1 * b, states, gradient), value

        return lax.scan(step, nnx.state(architecture.build(KEY)), length=5)[1]

    first, *_, last = np.asarray(losses(0.3 * np.eye(1 + len(own), len(own), dtype=np.float32))).T
    assert (last < first).all()
    assert len({*last.tolist()}) == 1 + len(own)
