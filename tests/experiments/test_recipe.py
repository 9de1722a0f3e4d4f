"""How arms are trained: rates by patterns, schedules, labels, augmentation, early stopping."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import train
from experiments.augment import augment
from experiments.errors import InputError
from experiments.layout import Layout
from experiments.recipe import loss, rates_at, recipe, schedule, stack, with_rates
from experiments.sweep import Task, rows_of
from experiments.train import Plan, Problem
from experiments.trials.networks import perceptron
from tests.experiments import tiny

SITES = ("input", "post1", "post2")
SHAPE = (8, 8, 1)


def of(**numbers):
    return recipe(SITES, {}, **numbers)


def test_of_the_patterns_that_match_a_site_the_last_counts():
    rates = recipe(SITES, {"post*": 0.5, "post2": 0.1}).rates
    np.testing.assert_array_equal(rates, np.array([0, 0.5, 0.1], np.float32))


def test_a_pattern_that_matches_no_site_is_an_error():
    with pytest.raises(InputError, match=r"a site among input, post1, post2; got 'conv\*'"):
        recipe(SITES, {"conv*": 0.5})


def test_arms_that_differ_in_rates_alone_are_a_stack_of_recipes():
    rates = np.array([[0, 0.5, 0.5], [0.1, 0, 0]], np.float32)
    rows = [dict(zip(SITES, row, strict=True)) for row in rates.tolist()]
    stacked = stack([recipe(SITES, row, warmup=0.1) for row in rows])
    jax.tree.map(np.testing.assert_array_equal, with_rates(rates, warmup=0.1), stacked)


def learning_rates(**numbers):
    rate = schedule(of(learning_rate=0.1, **numbers), 100)
    return np.array([rate(step) for step in range(101)])


def test_the_learning_rate_rises_falls_or_stays():
    np.testing.assert_allclose(learning_rates(decay=0.0), 0.1)
    cosine = 0.05 * (1 + np.cos(np.pi * np.arange(101) / 100))
    np.testing.assert_allclose(learning_rates(), cosine, atol=1e-8)
    np.testing.assert_allclose(learning_rates(decay=0.5), 0.05 + cosine / 2, rtol=1e-5)
    rising = learning_rates(decay=0.0, warmup=0.2)
    np.testing.assert_allclose(rising[:20], 0.1 * np.arange(1, 21) / 20, rtol=1e-5)
    np.testing.assert_allclose(rising[20:], 0.1, rtol=1e-6)


def test_labels_are_smoothed_as_optax_does():
    logits = jax.random.normal(jax.random.key(0), (6, 4))
    labels = jnp.arange(6) % 4
    targets = optax.smooth_labels(jax.nn.one_hot(labels, 4), 0.3)
    expected = optax.softmax_cross_entropy(logits, targets).mean()
    assert loss(of(smoothing=0.3), logits, labels) == pytest.approx(float(expected), rel=1e-5)


def test_dropout_is_on_between_its_begin_and_its_end():
    half = recipe(SITES, {"input": 0.5}, begin=0.25, end=0.75)
    on = [bool(rates_at(half, jnp.float32(x / 8)).any()) for x in range(8)]
    assert on == [False, False, True, True, True, True, False, False]


def images(count=40):
    return jnp.asarray(tiny.digits().x_train[:count])


def changed(key=0, count=40, **numbers):
    return np.asarray(augment(jax.random.key(key), images(count), SHAPE, of(**numbers)))


def test_images_stay_bit_for_bit_where_nothing_is_asked_for():
    np.testing.assert_array_equal(changed(), images())
    both = stack([of(), of(shift=2.0)])
    arms = jax.jit(jax.vmap(lambda arm: augment(jax.random.key(0), images(), SHAPE, arm)))(both)
    np.testing.assert_array_equal(arms[0], images())
    assert (arms[1] != images()).any()


def test_images_are_moved_by_whole_pixels_each_in_its_own_way():
    def moved(image, down, right):
        padded = np.pad(image.reshape(8, 8), 1)
        return padded[1 - down : 9 - down, 1 - right : 9 - right].ravel()

    ways = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    chosen = []
    for before, after in zip(np.asarray(images()), changed(shift=1.0), strict=True):
        away = [abs(after - moved(before, *way)).max() for way in ways]
        chosen.append(int(np.argmin(away)))
        assert min(away) < 1e-6
    assert len({*chosen}) == 9


def test_images_are_mirrored():
    mirrored = images().reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
    np.testing.assert_array_equal(changed(flip=1.0), mirrored)
    half = (changed(flip=0.5) == mirrored).all(1)
    assert 0.2 < half.mean() < 0.8


def test_a_crop_shows_a_part_of_the_image_larger():
    ramp = jnp.broadcast_to(jnp.arange(8.0), (30, 8, 8)).reshape(30, 64)
    zoomed = augment(jax.random.key(0), ramp, SHAPE, of(crop=0.5)).reshape(30, 8, 8)
    slopes = np.diff(np.asarray(zoomed), axis=-1)[:, 4, 2:5].mean(-1)
    assert ((slopes > 0.49) & (slopes <= 1.001)).all()
    assert slopes.std() > 0.05
    np.testing.assert_allclose(zoomed.mean((1, 2)), 3.5, atol=0.01)


def test_the_same_key_changes_images_the_same_way():
    np.testing.assert_array_equal(changed(shift=1.0, crop=0.3), changed(shift=1.0, crop=0.3))
    assert (changed(shift=1.0) != changed(1, shift=1.0)).any()


HELD_OUT, EPOCHS = 20, 12
ARMS = ({"patience": 2.0, "learning_rate": 0.1}, {"learning_rate": 0.1}, {"patience": 2.0})


def stopping_task():
    data = tiny.digits()
    network = perceptron(data, (16,))
    arms = stack([recipe(network.sites, {}, **numbers) for numbers in ARMS])
    plan = Plan(network, 20, 2, EPOCHS, held_out=HELD_OUT)
    return Task(plan, Problem(data, np.array(0, np.uint32)), arms, Layout(1, 3, 3, 8))


@pytest.fixture(scope="module")
def epochs():
    """The state after each epoch, and the metrics that would be returned."""
    task = stopping_task()
    rows = rows_of(task, 0)
    state = train.start(
        task.plan, rows, train.weights(task.plan, task.problem, np.zeros(8, np.int32))
    )
    found = []
    for epoch in range(EPOCHS):
        numbers = np.int32(epoch), np.int32(epoch + 1)
        state = train.train(task.plan, jax.tree.map(jnp.copy, state), task.problem, rows, *numbers)
        metrics, _ = train.measure(task.plan, state, task.problem, rows)
        found.append(jax.tree.map(lambda leaf: np.asarray(leaf)[0], (state, metrics)))
    return found


def held_out_loss(state, arm):
    task = stopping_task()
    params, rest = (jax.tree.map(lambda leaf: leaf[arm], part) for part in state[:2])
    own = jax.tree.map(lambda leaf: leaf[arm], task.recipes)
    x, y = (jnp.asarray(a)[-HELD_OUT:] for a in task.problem.data[:2])
    trained = train.Trained(task.plan.architecture, params, rest, own)
    return float(optax.softmax_cross_entropy_with_integer_labels(trained.logits(x), y).mean())


def test_an_arm_with_patience_gives_its_best_network(epochs):
    for arm in (0, 2):
        losses = [held_out_loss(state, arm) for state, _ in epochs]
        best = int(np.argmin(losses))
        at_best = [state for state, _ in epochs][best]
        for one, other in zip(
            jax.tree.leaves(epochs[-1][0].best.params), jax.tree.leaves(at_best.params), strict=True
        ):
            np.testing.assert_array_equal(one[arm], other[arm])
        assert epochs[-1][0].best.loss[arm] == pytest.approx(losses[best], rel=1e-5)


def test_training_stops_when_patience_has_run_out(epochs):
    since = [int(state.best.since[0]) for state, _ in epochs]
    stopped = since.index(2)
    assert stopped < EPOCHS - 2
    for state, _ in epochs[stopped + 1 :]:
        jax.tree.map(
            lambda leaf, end: np.testing.assert_array_equal(leaf[0], end[0]),
            state.params,
            epochs[stopped][0].params,
        )


def test_an_arm_without_patience_gives_its_last_network(epochs):
    (state, metrics), task = epochs[-1], stopping_task()
    params = jax.tree.map(lambda leaf: leaf[1], state.params)
    own = jax.tree.map(lambda leaf: leaf[1], task.recipes)
    trained = train.Trained(task.plan.architecture, params, state.rest, own)
    data = task.problem.data
    hits = np.asarray(trained.logits(jnp.asarray(data.x_test))).argmax(-1) == data.y_test
    assert metrics.test_accuracy[1] == pytest.approx(hits.mean())
    assert any((a[1] != b[1]).any() for a, b in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(epochs[-2][0].params), strict=True
    ))  # fmt: skip


def test_held_out_images_are_in_no_batch():
    task = stopping_task()
    streams = train.streams(np.uint32(0), 0)
    chosen = train.batches(task.plan, 60 - HELD_OUT, streams, jnp.int32(3))
    assert sorted(np.asarray(chosen).ravel().tolist()) == list(range(40))
