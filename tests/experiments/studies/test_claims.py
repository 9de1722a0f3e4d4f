"""What a study says of its claim: contrasts and verdicts, and measures of single studies."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import softmax

from experiments.data.images import load
from experiments.errors import InputError
from experiments.models import Drop, Perceptron
from experiments.report.intervals import Spread, spread
from experiments.report.verdict import Verdict
from experiments.runs.execute import train
from experiments.studies import DESIGNS, claim, results, tables
from experiments.studies.claim import Finding, Sample
from experiments.studies.claims import combine, convergence, ensemble
from experiments.studies.design import (
    Arm,
    Case,
    Contrast,
    Design,
    Term,
    accuracy,
    images,
    interaction,
    more,
    perceptron,
    same,
    shape,
    together,
)
from experiments.studies.settings import Settings
from experiments.training import sweep
from experiments.training.recipe import recipe
from experiments.training.task import Trained
from tests.experiments import tiny
from tests.experiments.conftest import EPOCHS

SMOKE = Settings(smoke=True).used
USUAL = {"test accuracy", "train accuracy", "test NLL", "train NLL"}
ONE, OTHER = accuracy("a", "x"), accuracy("a", "y")


@pytest.mark.parametrize(("mean", "half", "low", "high", "verdict"), [
    (1, 0.5, 0, np.inf, Verdict.SUPPORTED),
    (1, 1.5, 0, np.inf, Verdict.OPEN),
    (-1, 0.5, 0, np.inf, Verdict.REFUTED),
    (0, 0, 0, np.inf, Verdict.NO_DIFFERENCE),
    (0.2, 0.05, 0, np.inf, Verdict.NO_DIFFERENCE),  # though 0 is excluded
    (0.2, 0.15, 0, np.inf, Verdict.SUPPORTED),  # it may matter, and is there
    (0.2, 0.25, 0, np.inf, Verdict.OPEN),
    (-0.2, 0.05, 0, np.inf, Verdict.NO_DIFFERENCE),
    (-0.4, 0.2, 0, np.inf, Verdict.REFUTED),
    (1, np.nan, 0, np.inf, Verdict.OPEN),  # one seed
    (0.1, 0.1, -0.5, 0.5, Verdict.SUPPORTED),  # claimed to be the same: the margin is no matter
    (0.4, 0.2, -0.5, 0.5, Verdict.OPEN),
    (0.8, 0.2, -0.5, 0.5, Verdict.REFUTED),
    (-0.8, 0.2, -0.5, 0.5, Verdict.REFUTED),
    (-1, 0.5, -np.inf, 0, Verdict.SUPPORTED),
    (1, 0.5, -np.inf, 0, Verdict.REFUTED),
])  # fmt: skip
def test_a_part_is_judged_by_where_its_whole_interval_lies(mean, half, low, high, verdict):
    assert claim.outcome(Contrast("part", {}, low, high), 0.3, mean, half) is verdict


PART = Contrast("", {})


def found(mean, contrast=PART, seeds=2.0, images=0.0, margin=0.3):
    """Of 8 seeds and 500 images, between which there is so much variance."""
    parts = (np.array(seeds / 8), np.array(images / 500), np.array(0.0))
    spread = Spread(*parts, 8, 500)
    return Finding(contrast, mean, spread, 0.95, margin)


def test_what_rounding_leaves_is_no_difference_in_words():
    assert found(-4.77e-7).text.startswith("+0 ± ")
    assert found(-4.77e-3).text.startswith("-0.00477 ± ")


def test_one_refuted_part_refutes_and_one_open_part_leaves_open():
    def whole(*means):
        return claim.verdict([found(mean) for mean in means])

    assert whole(2, 2) is Verdict.SUPPORTED
    assert whole(2, 0) is Verdict.OPEN
    assert whole(2, 0, -2) is Verdict.REFUTED
    same = found(0.0, seeds=0.0)
    assert claim.verdict([found(2), same]) is Verdict.REFUTED  # none, where one was claimed


def test_data_sets_have_a_word_in_common_or_are_mixed():
    def whole(one, other):
        sets = {"a": one, "b": other}
        return claim.verdict([found(m, Contrast("", {}, dataset=d)) for d, m in sets.items()])

    assert whole(2, 2) is Verdict.SUPPORTED
    assert whole(-2, -3) is Verdict.REFUTED
    assert whole(2, -2) is whole(2, 0) is Verdict.MIXED


@pytest.mark.parametrize(("mean", "seeds", "images"), [(0.9, 4.0, 0.0), (0.05, 1.0, 1.0)])
def test_an_open_part_says_how_many_seeds_would_decide_it(mean, seeds, images):
    part = found(mean, seeds=seeds, images=images)
    enough = part.seeds_needed or 0
    assert part.verdict is Verdict.OPEN
    assert part.needs == f"about {enough} seeds would decide it"

    def of(count):
        spread = part.spread._replace(over_seeds=np.array(seeds / count), seeds=count)
        return part._replace(spread=spread).verdict

    assert of(enough) is not Verdict.OPEN
    assert of(enough - 1) is Verdict.OPEN


def test_where_images_are_short_it_says_how_many_there_should_be():
    part = found(0.4, images=100.0)
    many = part.images_needed or 0
    assert part.seeds_needed is None
    assert part.needs.startswith(f"images are short: about {many:,} for 500")
    spread = Spread(np.array(0.0), np.array(100.0 / many), np.array(0.0), 10**6, many)
    assert part._replace(spread=spread).verdict is Verdict.SUPPORTED
    assert part._replace(mean=0.3, margin=0.3, spread=part.spread).images_needed is not None
    assert found(0.0, margin=0.0).needs == "no number of seeds would decide it"
    assert found(2).needs == ""


def test_seeds_and_images_of_all_terms_are_paired():
    table = np.array([1.0, 2, 3])[:, None] + np.array([2.0, 2, 1, 3])
    same, tests = np.tile([1.0, 5, 2, 7], (3, 1)), np.arange(4)
    samples = {ONE: Sample(table.mean(1), table + same, tests)}
    samples[OTHER] = Sample(np.zeros(3), same, tests)

    def part():
        return claim.finding(more("", ONE, OTHER), samples.__getitem__, 0.95, 0.3)

    assert part().mean == 4
    np.testing.assert_allclose(part().spread[:3], (1 / 3, (2 / 3) / 4, 0), atol=1e-12)
    samples[OTHER] = Sample(np.zeros(3), same, tests + 1)
    assert part().spread.images == 0  # they are other images
    samples[OTHER] = Sample(np.zeros(3))
    assert part().spread.images == 0


def test_one_seed_and_a_network_that_diverged_are_told_of():
    one = found(1)._replace(spread=spread(np.ones(1)))
    assert (one.verdict, one.needs) == (Verdict.OPEN, "one seed tells nothing")
    assert one.can_be_closed
    assert found(np.nan).needs == "a network diverged"
    assert not found(np.nan).can_be_closed


ALIKE = Contrast("", {}, -0.5, 0.5)


@pytest.mark.parametrize(("parts", "mean"), [
    ([found(2), found(3), found(2)], 3),
    ([found(2, seeds=0.1), found(3, seeds=9.0)], 2),  # at least 1.7 for at least 0.5
    ([found(0.2, seeds=0.03), found(0.39, ALIKE, seeds=0.01)], 0.2),  # no equality
    ([found(0.2, seeds=0.03), found(2, ALIKE, seeds=4.5)], 0.2),  # and nothing that is open
    ([found(0.2, ALIKE, seeds=0.01), found(0.1, ALIKE, seeds=0.1)], 0.1),  # at most 0.4
    ([found(3), found(-2), found(-3), found(0.1, seeds=0.0)], -3),  # that it is refuted
    ([found(3), found(0, seeds=0.0), found(0.1, seeds=0.0)], 0.1),  # as large as it may be
    ([found(3), found(0)], 3),  # what is known of what is open
    ([found(0), found(0.8)], 0.8),
    ([found(3, margin=3), found(2, margin=0.1)], 2),  # in smallest differences that matter
    ([found(np.nan), found(2)], 2),
])  # fmt: skip
def test_the_part_that_tells_most_shows_how_large_the_finding_is(parts, mean):
    assert tables.telling(parts).mean == mean


def test_a_table_of_parts_has_its_units_and_explains_those_that_it_has():
    slow, fast = (Term("a", arm, "epochs to 0.1") for arm in ("x", "y"))
    epochs = found(1, more("slower", slow, fast))
    points = found(1, more("better", ONE, OTHER))
    table = tables.parts([epochs])
    assert table.cells[0][1].text.endswith(" epochs")
    assert "oint" not in table.note
    assert tables.parts([points]).cells[0][1].text.endswith(" points")
    assert "Points are percentage points." in tables.parts([epochs, points]).note


def test_it_is_said_of_what_intervals_speak():
    loss = Contrast("", {Term("a", "x", "train NLL"): 1.0})
    hits = Contrast("", {ONE: 1.0})
    both, alone = found(1, hits), found(1, loss)
    alone = alone._replace(spread=alone.spread._replace(images=0))
    assert tables.scope([both]).endswith("for new ones of both.")
    assert tables.scope([both, alone]).endswith("(train NLL: for new seeds alone).")
    assert tables.scope([alone]) == "Paired by seed, for new seeds alone."


def test_intervals_hold_together():
    assert claim.level(1) == pytest.approx(0.95)
    assert claim.level(5) == pytest.approx(0.99)
    assert claim.level(5, looks=4) == pytest.approx(0.9975)


def test_of_two_data_sets_one_design_is_made():
    data = tiny.digits()
    one = Design({"a": Case(perceptron(data), data, {"x": Arm(), "y": Arm()})}, [
        more("gain", ONE, OTHER, margin=0.1)
    ])  # fmt: skip
    assert together({"digits": one}) is one
    both = together({"digits": one, "mnist5k": one})
    assert [*both.cases] == ["digits: a", "mnist5k: a"]
    assert [(c.words, c.dataset, c.margin) for c in both.contrasts] == [
        ("digits: gain", "digits", 0.1), ("mnist5k: gain", "mnist5k", 0.1)
    ]  # fmt: skip
    assert {term.unit for contrast in both.contrasts for term in contrast.weights} == {"points"}
    assert [*both.contrasts[1].weights] == [
        Term("mnist5k: a", arm, "test accuracy") for arm in ("x", "y")
    ]


def test_contrasts_are_what_their_names_say():
    values = {ONE: 5.0, OTHER: 3.0, accuracy("b", "x"): 2.0, accuracy("b", "y"): 1.5}

    def of(contrast):
        return sum(weight * values[term] for term, weight in contrast.weights.items())

    assert of(more("", ONE, OTHER)) == of(same("", ONE, OTHER, 1)) == 2
    here, there = (ONE, OTHER), (accuracy("b", "x"), accuracy("b", "y"))
    assert of(interaction("", here, there)) == 1.5


@pytest.mark.parametrize("study", DESIGNS, ids=lambda study: study.__name__.split(".")[-1])
def test_every_study_names_sites_arms_and_measures_that_there_are(study):
    small = {**Settings.smallest, "dataset": study.DEFAULTS.dataset[:1]}
    design = study.design(replace(study.DEFAULTS, **small))
    measured = {}
    for name, case in design.cases.items():
        task = results.task(case, SMOKE.protocol, (0, 2))
        assert task.recipes.rates.shape == (len(case.arms), len(case.architecture.sites))
        assert len({arm.tobytes() for arm in np.stack(_leaves(task.recipes), 1)}) == len(case.arms)
        history = [dict.fromkeys(USUAL, np.ones((1, len(case.arms))))] * len(task.plan.ends)
        shapes = sweep.measured(task)
        of_images = {leaf.shape[2:] for leaf in jax.tree.leaves(shapes.images)}
        assert of_images == {(len(case.data.y_test),)}
        measured[name] = USUAL | set(shapes.probed) | set(case.derive(task.plan.ends, history))
    for case, arm, name in (term for c in design.contrasts for term in c.weights):
        assert arm in design.cases[case].arms
        assert name in measured[case]
    explained = getattr(study, "MEASURED", "")
    for name in {name for names in measured.values() for name in names} - USUAL:
        assert f"«{name}»" in explained or f"«{re.sub('[0-9]+$', 'n', name)}»" in explained
    assert study.__doc__.splitlines()[0].endswith("?")
    assert "Came out" in study.__doc__


@pytest.mark.parametrize("study", DESIGNS, ids=lambda study: study.__name__.split(".")[-1])
def test_the_smallest_version_of_a_study_has_the_arms_and_sites_that_it_names(study):
    design = study.design(replace(study.DEFAULTS, smoke=True).used)
    for case in design.cases.values():
        assert len(case.recipes()) == len(case.arms)
    for case, arm, _ in (term for contrast in design.contrasts for term in contrast.weights):
        assert arm in design.cases[case].arms


def _leaves(recipes):
    return [column for leaf in recipes for column in np.asarray(leaf).reshape(len(leaf), -1).T]


def test_what_holds_by_construction_is_supported_and_its_contrary_refuted():
    data = load("digits", 60, 90)
    arms = {"none": Arm(), "all": Arm({"post*": 1.0})}
    fits, all_dropped = (Term("mlp", arm, "train accuracy") for arm in ("none", "all"))
    contrasts = [
        more("", fits, all_dropped),
        more("", all_dropped, fits),
        same("", fits, all_dropped, within=2),
    ]
    design = Design({"mlp": Case(perceptron(data, (12, 8)), data, arms)}, contrasts)
    settings = Settings(train_size=60, epochs=EPOCHS, batch_size=20, seeds=4)
    looks = results.looks(design, settings.protocol, settings.looks)
    histories = train(looks, lambda _: False, sweep.Checkpoints())
    found = claim.findings(design, results.results(design, looks, histories), settings.margin)
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
    network, key = Perceptron((64, 12, 10)), jax.random.key(2)

    @jax.jit
    def found(recipe):
        """The averages; and the logits without dropout, then with each of four masks."""
        params, rest = nnx.state(network.build(jax.random.key(1)), nnx.Param, nnx.Not(nnx.Param))
        averages = ensemble.averages(Trained(network, params, rest, recipe), data, key, (1, 4))
        drops = [Drop(network.sites, recipe.rates, jax.random.fold_in(key, n)) for n in range(4)]
        model, x = network.bind(params, rest), jnp.asarray(data.x_test)
        return averages, [model(x, drop) for drop in (Drop(network.sites), *drops)]

    still, half = (jax.tree.map(np.asarray, found(recipe(network.sites, {"post*": rate})))
                   for rate in (0.0, 0.5))  # fmt: skip
    averages, (logits, *_) = still
    hits = 100 * (logits.argmax(-1) == data.y_test)
    for accuracy_of in ("accuracy of 1", "accuracy of 4"):
        np.testing.assert_array_equal(averages[accuracy_of], hits)
    np.testing.assert_allclose(averages["NLL of 1"], averages["NLL of 4"], rtol=1e-5)
    averages, (_, *logits) = half
    mean = softmax(logits, -1).mean(0)
    nll = -np.log(mean[np.arange(len(mean)), data.y_test])
    np.testing.assert_allclose(averages["NLL of 4"], nll, rtol=1e-5)
