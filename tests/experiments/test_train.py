import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import models
from experiments.compare import program
from experiments.models import ACTIVATIONS
from experiments.placements import PLACEMENTS, arms_of
from experiments.train import block, block_ends, run, seed_keys, start
from tests.experiments import tiny


def tiny_program(**settings):
    config = tiny.config(**settings)
    return program(config, tiny.digits(), arms_of(PLACEMENTS, config.arms.rates))


def test_one_compilation_covers_all_blocks_arms_rates_and_numeric_settings(monkeypatch):
    traces = []
    call = models.MLP.__call__
    monkeypatch.setattr(models.MLP, "__call__", lambda *a: traces.append(1) or call(*a))
    history = run(*tiny_program(epochs=4))  # 4 epochs: a plan that no other test compiles
    next(history)
    first_block = len(traces)
    assert first_block > 0
    list(history)
    list(run(*tiny_program(epochs=4, rates=(0.0, 1.0), learning_rate=0.1, weight_decay=0.5)))
    assert len(traces) == first_block


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_before_and_after_the_activation_are_one_placement_under_relu_alone(activation):
    arms, history = tiny.history(activation, widths=(8,))
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
    arms = arms_of(PLACEMENTS, (0.0, 0.7))
    undropped = [index for index, arm in enumerate(arms) if arm.rate == 0]
    values = np.stack(history[-1])[..., undropped]
    assert (values == values[..., :1]).all()


def test_seeds_differ():
    _, history = tiny.history()
    first, second = np.stack(history[-1], 1)
    assert (first != second).any(0).all()


def test_the_first_seeds_stay_when_seeds_are_added():
    two, three = (jax.random.key_data(seed_keys(0, seeds)) for seeds in (2, 3))
    np.testing.assert_array_equal(three[:2], two)


def test_the_arms_of_a_seed_start_from_the_same_weights():
    plan, problem = tiny_program()
    for leaf in jax.tree.leaves(start(plan, problem).params):
        assert (leaf == leaf[:, :1]).all()


def test_blocks_can_be_cut_anywhere():
    plan, problem = tiny_program()
    whole, _ = block(plan, start(plan, problem), problem, jnp.int32(0), jnp.int32(3))
    state = start(plan, problem)
    for first, stop in ((0, 1), (1, 1), (1, 3)):
        state, _ = block(plan, state, problem, jnp.int32(first), jnp.int32(stop))
    jax.tree.map(np.testing.assert_array_equal, state, whole)


def test_metrics_are_what_the_model_says_without_dropout():
    plan, problem = tiny_program()
    state, metrics = block(plan, start(plan, problem), problem, jnp.int32(0), jnp.int32(2))
    params = jax.tree.map(lambda leaf: leaf[1, 3], state.params)
    data = tiny.digits()
    log_p = jax.nn.log_softmax(plan.architecture.bind(params)(jnp.asarray(data.x_test)))
    hits = np.asarray(log_p).argmax(-1) == data.y_test
    assert metrics.test_accuracy[1, 3] == pytest.approx(hits.mean())
    nll = -np.asarray(log_p)[np.arange(len(hits)), data.y_test].mean()
    assert metrics.test_nll[1, 3] == pytest.approx(nll, rel=1e-5)


def test_training_learns_and_the_learning_rate_ends_at_0():
    _, history = tiny.history()
    nll = [metrics.train_nll[:, 0].mean() for metrics in history]
    assert nll[2] < nll[0]
    assert nll[1] - nll[2] < nll[0] - nll[1]


def test_weight_decay_shrinks_weights():
    def norm(weight_decay):
        plan, problem = tiny_program(weight_decay=weight_decay)
        state, _ = block(plan, start(plan, problem), problem, jnp.int32(0), jnp.int32(3))
        return sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(state.params))

    assert norm(1.0) < norm(0.0)


def test_block_ends_cover_all_epochs_in_steps_of_nearly_one_size():
    for epochs in (1, 19, 20, 97, 100):
        ends = [0, *block_ends(epochs)]
        sizes = np.diff(ends)
        assert ends[-1] == epochs
        assert sizes.min() >= 1
        assert sizes.max() - sizes.min() <= 1


def test_seed_keys_depend_on_the_seed():
    assert (
        (jax.random.key_data(seed_keys(0, 3)) != jax.random.key_data(seed_keys(1, 3))).any(1).all()
    )
