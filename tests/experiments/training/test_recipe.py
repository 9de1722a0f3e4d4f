"""What the numbers of a recipe do, alone and in one compiled program."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.errors import InputError
from experiments.models import Perceptron
from experiments.training import recipe as recipes
from experiments.training.chunks import Layout
from experiments.training.recipe import DEFAULTS, Recipe, rates_at, recipe, schedule, stack
from experiments.training.sweep import Task, run
from experiments.training.task import Plan, Problem
from tests.experiments import tiny

SITES = ("input", "pre1", "post1", "pre2", "post2", "logits")
BASE = {"learning_rate": 0.1, "decay": 0.0}
CHANGES = {
    "learning_rate": 0.2,
    "weight_decay": 0.1,
    "warmup": 0.5,
    "decay": 1.0,
    "smoothing": 0.3,
    "patience": 1.0,
    "shift": 1.0,
    "flip": 0.5,
    "crop": 0.3,
    "begin": 1.0,
    "end": 0.5,
}
SIZE, HELD_OUT, EPOCHS, PATIENCE, RATES = 60, 20, 6, (0, 1, 2, 3), (1.0, 0.03)
NETWORK = Perceptron((64, 8, 10), "tanh")


def arm(rate=0.5, **numbers):
    return recipe(NETWORK.sites, {"post1": rate}, **BASE | numbers)


def held_out_loss(trained, data, key):
    logits = trained.logits(jnp.asarray(data.x_train)[-HELD_OUT:])
    log_p = jax.nn.log_softmax(logits)
    labels = jnp.asarray(data.y_train)[-HELD_OUT:]
    return {"held out": -jnp.take_along_axis(log_p, labels[:, None], 1).mean()}


CHANGED = [arm(), *(arm(**{name: value}) for name, value in CHANGES.items()), arm(0.0)]
STOPPED = [arm(learning_rate=rate, patience=p) for rate in RATES for p in PATIENCE]
STOPPED += [arm(learning_rate=rate, patience=1) for rate in (0.0, 1e30)]
STOPPED += [arm()] * (len(CHANGED) - len(STOPPED))
UNSTOPPED = [each._replace(patience=np.float32(0)) for each in STOPPED]


def spoilt():
    """Held-out images that would spoil every weight, were they in a batch."""
    data = tiny.digits()
    return data._replace(x_train=np.where(np.arange(60)[:, None] < 40, data.x_train, np.nan))


def trained(arms, data):
    plan = Plan(NETWORK, SIZE, 20, 2, EPOCHS, EPOCHS, HELD_OUT, (8, 8, 1), held_out_loss)
    layout = Layout(1, len(arms), len(arms), 1).on(jax.device_count())
    return run(Task(plan, Problem(data, np.array(0, np.uint32)), stack(arms), layout))


@functools.cache
def histories():
    """Of several sets of arms, and how often a loss had been traced after each."""
    traces, found, loss = [], [], recipes.loss
    sets = (CHANGED, STOPPED, UNSTOPPED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipes, "loss", lambda *a: traces.append(1) or loss(*a))
        for arms, data in (*((each, tiny.digits()) for each in sets), (CHANGED, spoilt())):
            found.append((trained(arms, data), len(traces)))
    return found


def table(which, name="test_nll"):
    """Epochs by arms."""
    blocks = histories()[which][0].blocks
    if name == "held out":
        return np.stack([block.measured.probed[name][0] for block in blocks])
    return np.stack([getattr(block.measured.metrics, name)[0] for block in blocks])


def test_one_compiled_program_trains_whatever_the_numbers():
    first, *others = (traces for _, traces in histories())
    assert first > 0
    assert {*others} == {first}


def test_every_number_changes_training():
    assert len({*table(0, "train_nll")[-1, : 1 + len(CHANGES)].tolist()}) == 1 + len(CHANGES)


def test_dropout_that_never_begins_is_none():
    never = 1 + list(CHANGES).index("begin")
    states = histories()[0][0].blocks[-1].states[0]
    assert states[never] == states[-1]
    assert states[never] != states[0]


def epoch_of_best(losses, patience):
    best, since = 0, 0
    for epoch, loss in enumerate(losses):
        since = 0 if epoch == 0 or loss < losses[best] else since + 1
        best = epoch if since == 0 else best
        if since == patience:
            break
    return best


def test_a_stopped_arm_is_measured_at_its_best_epoch():
    names = ("train_accuracy", "train_nll", "test_accuracy", "test_nll", "held out")
    free, found = np.stack([[table(w, name) for name in names] for w in (2, 1)])
    ends = set()
    for index in range(len(RATES) * len(PATIENCE)):
        patience = PATIENCE[index % len(PATIENCE)]
        best = epoch_of_best(free[-1, :, index], patience) if patience else EPOCHS - 1
        np.testing.assert_array_equal(found[:, -1, index], free[:, best, index])
        ends.add(best)
    assert len(ends) > 2
    last = free[-1, :, -1 + len(RATES) * len(PATIENCE)]
    assert epoch_of_best(last, 1) < last.argmin()  # patience has an end


def test_a_stopped_arm_stands_still():
    states = np.stack([block.states[0] for block in histories()[1][0].blocks])
    moved = (states[1:] != states[:-1]).sum(0)
    losses = table(2, "held out")
    assert moved[0] == EPOCHS - 1
    for index, patience in enumerate(PATIENCE[1:], 1):
        stop = epoch_of_best(losses[:, index], patience) + patience
        assert moved[index] == min(stop, EPOCHS - 1)


def test_arms_without_patience_know_nothing_of_those_that_stop():
    with_stops, without = (histories()[w][0].blocks[-1] for w in (1, 2))
    free = [index for index, each in enumerate(STOPPED) if each.patience == 0]
    assert len(free) > len(RATES)
    np.testing.assert_array_equal(with_stops.states[0, free], without.states[0, free])
    for one, other in zip(with_stops.measured.metrics, without.measured.metrics, strict=True):
        np.testing.assert_array_equal(one[0, free], other[0, free])


def test_an_arm_that_diverges_at_once_is_measured_as_it_began():
    still, diverged = len(RATES) * len(PATIENCE), len(RATES) * len(PATIENCE) + 1
    assert not np.isfinite(table(2)[-1, diverged])
    assert table(1)[-1, diverged] == table(1)[-1, still]


def test_held_out_images_are_in_no_batch():
    assert np.isnan(table(3, "held out")).all()
    assert np.isfinite(table(3)).all()


def test_the_last_pattern_that_matches_a_site_sets_its_rate():
    found = recipe(SITES, {"p*": 0.1, "post*": 0.5, "post2": 0.9, "*1": 0.2})
    np.testing.assert_array_equal(found.rates, np.array([0, 0.2, 0.2, 0.1, 0.9, 0], np.float32))
    assert not recipe(SITES, {}).rates.any()


def test_a_pattern_that_matches_no_site_is_refused():
    with pytest.raises(InputError, match=r"a site among input, .*, logits; got 'conv\*'"):
        recipe(SITES, {"post1": 0.5, "conv*": 0.5})


def test_arms_are_stacked_and_what_is_not_said_is_the_default():
    both = stack([recipe(SITES, {}), recipe(SITES, {"input": 0.5}, patience=3)])
    assert both.rates.shape == (2, len(SITES))
    assert both.patience.tolist() == [0, 3]
    assert {name: getattr(both, name)[1] for name in DEFAULTS} == pytest.approx(
        DEFAULTS | {"patience": 3}
    )
    assert DEFAULTS.keys() | {"rates"} == {*both._fields}


def learning_rates(**numbers):
    """Those of 40 steps, and the one after the end."""
    return np.asarray(compiled(recipe(SITES, {}, **numbers)))


@jax.jit
def compiled(arm):
    return jax.vmap(schedule(arm, 40))(np.arange(41))


def test_the_learning_rate_rises_in_a_line_and_then_stays():
    rates = learning_rates(learning_rate=0.8, warmup=0.2, decay=0.0)
    np.testing.assert_allclose(rates[:8], 0.1 * np.arange(1, 9), rtol=1e-6)
    np.testing.assert_array_equal(rates[8:], np.float32(0.8))


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_the_learning_rate_falls_by_its_share_along_a_half_cosine(decay):
    half = 0.5 + 0.5 * np.cos(np.pi * np.arange(40) / 40)
    expected = 0.8 * (1 - decay + decay * half)
    rates = learning_rates(learning_rate=0.8, decay=decay)
    np.testing.assert_allclose(rates[:40], expected, rtol=1e-4)
    assert rates[40] == pytest.approx(0.8 * (1 - decay), abs=1e-7)


def test_the_optimiser_steps_by_the_learning_rate():
    numbers = recipe(SITES, {}, learning_rate=0.8, warmup=0.2, decay=0.0, weight_decay=0.0)
    optimizer, one = recipes.optimizer(numbers, 40), np.ones((), np.float32)
    update, state, sizes = jax.jit(optimizer.update), optimizer.init(one), []
    for _ in range(3):
        size, state = update(one, state, one)
        sizes.append(-np.asarray(size))  # of a constant gradient Adam makes 1
    expected = learning_rates(learning_rate=0.8, warmup=0.2, decay=0)[:3]
    np.testing.assert_allclose(sizes, expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(4,), (4, 6)])
def test_labels_are_smoothed_as_optax_does(shape):
    random = np.random.default_rng(0)
    logits: Any = 3 * random.normal(size=(*shape, 5)).astype(np.float32)
    labels = random.integers(5, size=shape)

    @jax.jit
    def both(smoothing):
        smoothed = optax.smooth_labels(jax.nn.one_hot(labels, 5), smoothing)
        expected = optax.softmax_cross_entropy(logits, smoothed).mean()
        return recipes.loss(Recipe(np.zeros(0), smoothing=smoothing), logits, labels), expected

    for smoothing in np.array([0, 0.2, 1], np.float32):
        np.testing.assert_allclose(*both(smoothing), rtol=1e-6)


def test_rates_are_on_from_begin_to_before_end():
    arm = recipe(SITES, {"input": 0.5, "post1": 0.25}, begin=0.25, end=0.75)
    times: Any = np.array([0, 0.2, 0.25, 0.5, 0.74, 0.75, 0.99], np.float32)
    found = jax.jit(jax.vmap(lambda time: rates_at(arm, time)))(times)
    on = np.array([0, 0, 1, 1, 1, 0, 0], np.float32)
    np.testing.assert_array_equal(found, np.outer(on, arm.rates))
    always = rates_at(recipe(SITES, {"*": 0.5}), times[0])
    np.testing.assert_array_equal(always, 0.5)
