import jax
import numpy as np
import pytest

from experiments import models
from experiments.models import Drop
from experiments.studies.compare.design import grid
from experiments.studies.compare.settings import PLACEMENTS
from experiments.training import devices
from experiments.training.chunks import Layout
from experiments.training.evaluate import measure
from experiments.training.keys import seed_key
from experiments.training.step import start, train, weights
from experiments.training.sweep import rows_of, run
from experiments.training.task import block_ends
from tests.experiments import tiny


def tiny_task(**settings):
    return tiny.task(tiny.config(**settings))


def trained(task, *ends):
    """The state after training from each end to the next."""
    state, problem = started(task), devices.put(task.problem, devices.ALL)
    for first, stop in zip((0, *ends), ends, strict=False):
        numbers = np.int32(first), np.int32(stop)
        state = train(task.plan, state, problem, rows_of(task, 0), *numbers)
    return state


def started(task):
    fresh = weights(task.plan, task.problem, task.layout.pairs(0)[0])
    return start(task.plan, rows_of(task, 0), devices.put(fresh, devices.ROWS))


def test_one_compilation_covers_all_blocks_arms_rates_and_numeric_settings(monkeypatch):
    traces = []
    call = models.MLP.__call__
    monkeypatch.setattr(models.MLP, "__call__", lambda *a: traces.append(1) or call(*a))
    plan, blocks = {"activation": "tanh", "widths": (8,)}, []
    jax.clear_caches()  # other tests have this plan too
    run(tiny_task(**plan), lambda *_: blocks.append(len(traces)))
    assert blocks[0] > 0
    assert len({*blocks[1:]}) == 1  # at first, training is told of before it is measured
    run(tiny_task(**plan, rates=(0.0, 1.0), learning_rate=0.1, weight_decay=0.5))
    assert len(traces) == blocks[-1]


@pytest.mark.parametrize("activation", ["relu", "tanh"])  # test_models.py has all of them
def test_before_and_after_the_activation_are_one_placement_under_relu_alone(activation):
    arms, history = (
        tiny.history() if activation == "relu" else tiny.history(activation, widths=(8,))
    )
    for metrics in history:
        before = tiny.of(arms, metrics, "before-activation")
        after = tiny.of(arms, metrics, "after-activation")
        assert (before.tobytes() == after.tobytes()) == (activation == "relu")


def test_every_other_placement_and_rate_trains_differently():
    arms, history = tiny.history()
    losses = {*history[-1].train_nll[0].tolist()}
    assert len(losses) == len(arms) - len(tiny.RATES)  # before equals after, at every rate


def test_at_rate_0_all_arms_are_one_for_they_share_weights_and_batches():
    _, history = tiny.history(rates=(0.0, 0.7))
    arms = grid(PLACEMENTS, (0.0, 0.7))
    undropped = [index for index, arm in enumerate(arms) if arm.rate == 0]
    values = np.stack(history[-1])[..., undropped]
    assert (values == values[..., :1]).all()


def test_seeds_differ():
    _, history = tiny.history()
    first, second = np.stack(history[-1], 1)
    assert (first != second).any(0).all()


def test_the_first_seeds_stay_when_seeds_are_added():
    two, three = (
        jax.device_get(started(tiny_task()._replace(layout=Layout(seeds, 15, 15, 8))).params)
        for seeds in (2, 3)
    )
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:2], b[:2]), three, two)


def test_the_arms_of_a_seed_start_from_the_same_weights():
    for leaf in jax.device_get(jax.tree.leaves(started(tiny_task()).params)):
        assert (leaf == leaf[:, :1]).all()


def test_training_can_be_cut_anywhere():
    whole, cut = trained(tiny_task(), 3), trained(tiny_task(), 1, 1, 3)
    jax.tree.map(np.testing.assert_array_equal, cut, whole)


def test_metrics_are_what_the_model_says_without_dropout():
    task = tiny_task()
    state = trained(task, 2)
    problem, rows = devices.put(task.problem, devices.ALL), rows_of(task, 0)
    found = measure(task.plan, state, problem, rows)
    metrics, images = jax.device_get((found.metrics, found.images))
    params, rest = jax.tree.map(lambda leaf: leaf[1, 3], jax.device_get(state[:2]))
    data = task.problem.data
    model, drop = task.plan.architecture.bind(params, rest), Drop(task.plan.architecture.sites)
    own = np.asarray(rows.images)[1]
    x = np.concatenate([data.x_test, data.x_train[own]])
    log_p = np.asarray(jax.jit(lambda x: jax.nn.log_softmax(model(x, drop)))(x))
    log_p, learnt = log_p[: len(data.x_test)], log_p[len(data.x_test) :].argmax(-1)
    hits = log_p.argmax(-1) == data.y_test
    assert metrics.test_accuracy[1, 3] == pytest.approx(hits.mean())
    np.testing.assert_array_equal(images["test_accuracy"][1, 3], hits)
    nll = -log_p[np.arange(len(hits)), data.y_test]
    assert metrics.test_nll[1, 3] == pytest.approx(nll.mean(), rel=1e-5)
    np.testing.assert_allclose(images["test_nll"][1, 3], nll, rtol=1e-3, atol=1e-5)
    assert metrics.train_accuracy[1, 3] == pytest.approx((learnt == data.y_train[own]).mean())


def test_training_learns_and_the_learning_rate_ends_at_0():
    _, history = tiny.history()
    nll = [metrics.train_nll[:, 0].mean() for metrics in history]
    assert nll[2] < nll[0]
    assert nll[1] - nll[2] < nll[0] - nll[1]


def test_weight_decay_shrinks_weights():
    def norm(weight_decay):
        params = trained(tiny_task(weight_decay=weight_decay), 3).params
        return sum((leaf**2).sum() for leaf in jax.device_get(jax.tree.leaves(params)))

    assert norm(1.0) < norm(0.0)


def test_block_ends_cover_all_epochs_in_steps_of_nearly_one_size():
    for epochs in (1, 19, 20, 97, 100):
        ends = [0, *block_ends(epochs)]
        sizes = np.diff(ends)
        assert ends[-1] == epochs
        assert sizes.min() >= 1
        assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
def test_a_traced_seed_gives_the_key_of_the_number_itself(seed):
    root = jax.random.key(seed, impl="threefry2x32")
    traced = jax.jit(seed_key)(np.uint32(seed), 5)
    found, expected = map(jax.random.key_data, (traced, jax.random.fold_in(root, 5)))
    np.testing.assert_array_equal(found, expected)
