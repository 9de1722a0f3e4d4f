"""What a study says of its claim: contrasts and verdicts, and measures of single studies."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.errors import InputError
from experiments.models import Drop, Perceptron
from experiments.report.intervals import Interval
from experiments.report.verdict import Verdict
from experiments.runs.execute import train
from experiments.studies import DESIGNS, claim, results
from experiments.studies.claim import Finding
from experiments.studies.claims import combine, convergence, ensemble
from experiments.studies.design import (
    Arm,
    Case,
    Contrast,
    Design,
    accuracy,
    interaction,
    more,
    same,
)
from experiments.studies.networks import images, perceptron, shape
from experiments.studies.settings import Settings
from experiments.training import sweep
from experiments.training.recipe import recipe
from experiments.training.task import Metrics, Trained
from tests.experiments import tiny

SMOKE = Settings(smoke=True).used
USUAL = {"test accuracy", "train accuracy", "test NLL", "train NLL"}
ONE, OTHER = accuracy("a", "x"), accuracy("a", "y")


@pytest.mark.parametrize(("mean", "half", "low", "high", "verdict"), [
    (1, 0.5, 0, np.inf, Verdict.SUPPORTED),
    (1, 1.5, 0, np.inf, Verdict.UNDECIDED),
    (-1, 0.5, 0, np.inf, Verdict.REFUTED),
    (0, 0, 0, np.inf, Verdict.REFUTED),  # no difference at all is no gain
    (1, np.nan, 0, np.inf, Verdict.UNDECIDED),  # one seed
    (0.1, 0.2, -0.5, 0.5, Verdict.SUPPORTED),
    (0.4, 0.2, -0.5, 0.5, Verdict.UNDECIDED),
    (0.8, 0.2, -0.5, 0.5, Verdict.REFUTED),
    (-0.8, 0.2, -0.5, 0.5, Verdict.REFUTED),
])  # fmt: skip
def test_a_part_is_judged_by_where_its_whole_interval_lies(mean, half, low, high, verdict):
    contrast = Contrast("part", {}, low, high)
    assert Finding(contrast, Interval(np.array(mean), np.array(half))).verdict is verdict


def test_one_refuted_part_refutes_and_one_open_part_leaves_open():
    def whole(*means):
        found = [Finding(Contrast("", {}), Interval(np.array(m), np.array(1.0))) for m in means]
        return claim.verdict(found)

    assert whole(2, 2) is Verdict.SUPPORTED
    assert whole(2, 0) is Verdict.UNDECIDED
    assert whole(2, 0, -2) is Verdict.REFUTED


def test_intervals_hold_together():
    assert claim.level(1) == pytest.approx(0.95)
    assert claim.level(5) == pytest.approx(0.99)


def test_contrasts_are_what_their_names_say():
    values = {ONE: 5.0, OTHER: 3.0, accuracy("b", "x"): 2.0, accuracy("b", "y"): 1.5}

    def of(contrast):
        return sum(weight * values[term] for term, weight in contrast.weights.items())

    assert of(more("", ONE, OTHER)) == of(same("", ONE, OTHER, 1)) == 2
    here, there = (ONE, OTHER), (accuracy("b", "x"), accuracy("b", "y"))
    assert of(interaction("", here, there)) == 1.5


@pytest.mark.parametrize("study", DESIGNS, ids=lambda study: study.__name__.split(".")[-1])
def test_every_study_names_sites_arms_and_measures_that_there_are(study):
    design = study.design(replace(study.DEFAULTS, smoke=True).used)
    measured = {}
    for name, case in design.cases.items():
        task = results.task(case, SMOKE.protocol)
        assert task.recipes.rates.shape == (len(case.arms), len(case.architecture.sites))
        assert len({arm.tobytes() for arm in np.stack(_leaves(task.recipes), 1)}) == len(case.arms)
        history = [dict.fromkeys(USUAL, np.ones((1, len(case.arms))))] * len(task.plan.ends)
        probed = sweep.measured(task)[len(Metrics._fields) :]
        measured[name] = USUAL | set(probed) | set(case.derive(task.plan.ends, history))
    for case, arm, name in (term for c in design.contrasts for term in c.weights):
        assert arm in design.cases[case].arms
        assert name in measured[case]
    assert study.__doc__.splitlines()[0].endswith("?")
    assert "Came out" in study.__doc__


def _leaves(recipes):
    return [column for leaf in recipes for column in np.asarray(leaf).reshape(len(leaf), -1).T]


def test_what_holds_by_construction_is_supported_and_its_contrary_refuted():
    data = tiny.digits()
    arms = {"none": Arm(), "all": Arm({"post*": 1.0})}
    fit = ("mlp", "none", "train accuracy"), ("mlp", "all", "train accuracy")
    contrasts = [more("", *fit), more("", fit[1], fit[0]), same("", *fit, within=5)]
    design = Design({"mlp": Case(perceptron(data, (12, 8)), data, arms)}, contrasts)
    settings = Settings(train_size=60, epochs=20, batch_size=20, seeds=4)
    tasks = results.tasks(design, settings.protocol)
    histories = train(tasks, sweep.Checkpoints())
    found = claim.findings(design, results.results(design, tasks, histories))
    expected = [Verdict.SUPPORTED, Verdict.REFUTED, Verdict.REFUTED]
    assert [finding.verdict for finding in found] == expected


def test_images_must_be_square():
    assert shape(images(SMOKE)) == (8, 8, 1)
    with pytest.raises(InputError, match="square images"):
        shape(images(SMOKE)._replace(x_train=np.ones((2, 7), "f4")))


def test_epochs_to_a_loss_are_counted_from_the_first_that_meets_it():
    losses = np.array([[0.5, 0.05, 0.5], [0.1, 0.2, 0.4], [0.3, 0.01, 0.3]])  # epochs, arms
    found = convergence._epochs([1, 2, 3], [{"train NLL": row[None]} for row in losses])
    np.testing.assert_array_equal(found[convergence.EPOCHS], [[2, 1, 4]])


def test_the_gain_within_a_set_of_others_is_a_mean_of_paired_differences():
    design = combine.design(SMOKE)
    (case,) = design.cases.values()
    assert len(case.arms) == 32
    for contrast in design.contrasts:
        assert sum(contrast.weights.values()) == pytest.approx(0)
        gained = [weight for weight in contrast.weights.values() if weight > 0]
        assert sum(gained) == pytest.approx(1)
    assert [len(contrast.weights) for contrast in design.contrasts] == [2, 16, 16, 16, 16, 2, 32]


def test_averages_over_masks_are_the_network_itself_at_rate_0_and_else_means_of_probabilities():
    data = tiny.digits()
    network = Perceptron((64, 12, 10))
    params, rest = nnx.state(network.build(jax.random.key(1)), nnx.Param, nnx.Not(nnx.Param))

    def averages(rate, counts):
        trained = Trained(network, params, rest, recipe(network.sites, {"post*": rate}))
        found = ensemble.averages(trained, data, jax.random.key(2), counts)
        return {name: float(value) for name, value in found.items()}

    logits = network.bind(params, rest)(jnp.asarray(data.x_test), Drop(network.sites))
    hits = 100 * (np.asarray(logits).argmax(-1) == data.y_test).mean()
    still = averages(0.0, (1, 3))
    assert still["accuracy of 1"] == still["accuracy of 3"] == pytest.approx(hits)
    assert still["NLL of 1"] == pytest.approx(still["NLL of 3"], rel=1e-5)
    drops = (
        Drop(network.sites, _rates(network), jax.random.fold_in(jax.random.key(2), index))
        for index in range(4)
    )
    model = network.bind(params, rest)
    x = jnp.asarray(data.x_test)
    mean = np.mean([jax.nn.softmax(model(x, drop)) for drop in drops], 0)
    nll = -np.log(mean[np.arange(len(mean)), data.y_test]).mean()
    assert averages(0.5, (1, 4))["NLL of 4"] == pytest.approx(nll, rel=1e-5)


def _rates(network):
    return jnp.asarray(recipe(network.sites, {"post*": 0.5}).rates)
