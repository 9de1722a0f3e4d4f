"""Decomposition and metrics: against scikit-learn, SciPy and closed forms."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from jaxdrop import montecarlo

RNG = np.random.default_rng(0)
P = RNG.dirichlet(np.full(4, 0.5), 300).astype(np.float32)
LABELS = np.where(RNG.random(300) < 0.6, P.argmax(1), RNG.integers(0, 4, 300))
SCORES = np.round(RNG.normal(size=300), 1).astype(np.float32)  # with ties
SAMPLES = RNG.dirichlet(np.full(3, 0.3), (50, 7)).astype(np.float32)


classify, regress = jax.jit(montecarlo.classification), jax.jit(montecarlo.regression)


def test_classification_is_the_textbook_decomposition():
    found, p = classify(SAMPLES), SAMPLES.astype(np.float64)
    np.testing.assert_allclose(found.mean, p.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.predictive_entropy, stats.entropy(p.mean(0), axis=1), 1e-5)
    np.testing.assert_allclose(found.expected_entropy, stats.entropy(p, axis=2).mean(0), 1e-5)
    divergence = stats.entropy(p, np.broadcast_to(p.mean(0), p.shape), axis=2).mean(0)
    np.testing.assert_allclose(found.mutual_information, divergence, rtol=1e-4)
    modes = [1 - np.bincount(votes).max() / 50 for votes in p.argmax(2).T]
    np.testing.assert_allclose(found.variation_ratio, modes, atol=1e-6)


def test_classification_is_safe_at_0_and_1():
    certain = np.broadcast_to(np.array([1, 0, 0], np.float32), (5, 2, 3))
    for found in (classify(certain), classify(certain[:, 0])):
        assert all((np.asarray(part) == 0).all() for part in found[1:])
    torn = np.tile(np.eye(2, dtype=np.float32), (3, 1))
    found = classify(torn)
    np.testing.assert_allclose(found.mutual_information, np.log(2), rtol=1e-6)
    assert (found.expected_entropy, found.variation_ratio) == (0, 0.5)
    slopes = jax.jit(jax.jacrev(lambda x: [part.sum() for part in classify(x)[1:4]]))(certain)
    assert np.isfinite(slopes).all()


def test_mutual_information_is_never_negative():
    p = special.softmax(np.random.default_rng(0).normal(size=(1000, 10)) * 3, -1)
    found = classify(np.broadcast_to(p.astype(np.float32), (7, 1000, 10)))
    assert (found.mutual_information >= 0).all()


def test_narrow_dtypes_are_accepted_and_widened():
    p = RNG.dirichlet(np.ones(100), (20, 5)).astype(jnp.bfloat16)
    assert jax.eval_shape(montecarlo.classification, p).mean.dtype == jnp.float32
    assert jax.eval_shape(montecarlo.nll, p[0], np.arange(5)).dtype == jnp.float32


def test_regression_is_the_mixture():
    samples, targets = RNG.normal(size=(40, 6)) + 5, RNG.normal(size=6) + 5
    found = regress(samples.astype("f4"), 2.5, targets.astype("f4"))
    np.testing.assert_allclose(found.mean, samples.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.epistemic, samples.var(0), rtol=1e-4)
    np.testing.assert_allclose(found.aleatoric, 0.4, rtol=1e-6)
    np.testing.assert_allclose(found.total, samples.var(0) + 0.4, rtol=1e-5)
    density = stats.norm.pdf(targets, samples, np.sqrt(0.4)).mean(0)
    assert found.log_likelihood is not None
    np.testing.assert_allclose(found.log_likelihood, np.log(density), rtol=1e-4)


def test_far_targets_have_a_finite_likelihood():
    found = regress(np.array([0, 1], np.float32), 100.0, np.float32(1001))
    assert found.log_likelihood is not None
    exact = -50 * 1000.0**2 + np.log(100 / (2 * np.pi)) / 2 - np.log(2)
    np.testing.assert_allclose(found.log_likelihood, exact, rtol=1e-6)
    assert montecarlo.regression(np.ones(2, np.float32), 1.0).log_likelihood is None


def test_precisions_of_each_sample():
    precision = np.array([[1, 2], [4, 2]], np.float32)
    found = regress(precision * 0, precision, np.ones(2, np.float32))
    np.testing.assert_allclose(found.aleatoric, [(1 + 1 / 4) / 2, 1 / 2])
    density = stats.norm.pdf(1, 0, 1 / np.sqrt(precision)).mean(0)
    assert found.log_likelihood is not None
    np.testing.assert_allclose(found.log_likelihood, np.log(density), rtol=1e-5)


def test_scores_agree_with_sklearn():
    measures = (montecarlo.accuracy, montecarlo.nll, montecarlo.brier)
    accuracy, nll, brier = jax.jit(lambda: [of(P, LABELS) for of in measures])()
    assert accuracy == pytest.approx(accuracy_score(LABELS, P.argmax(1)))
    doubles = P.astype(np.float64)
    exact = log_loss(LABELS, doubles / doubles.sum(1, keepdims=True), labels=range(4))
    assert nll == pytest.approx(exact, rel=1e-5)
    squares = np.square(doubles - np.eye(4)[LABELS]).sum(1)
    assert brier == pytest.approx(squares.mean(), rel=1e-5)


@pytest.mark.parametrize("bins", [1, 5, 15])
@pytest.mark.parametrize(("binning", "strategy"), [("width", "uniform"), ("mass", "quantile")])
def test_reliability_agrees_with_sklearn(bins, binning, strategy):
    confidence, hits = P.max(1), P.argmax(1) == LABELS
    measures = (montecarlo.reliability, montecarlo.ece)
    found, ece = jax.jit(lambda: [of(P, LABELS, bins=bins, binning=binning) for of in measures])()
    accuracy, confidences = calibration_curve(hits, confidence, n_bins=bins, strategy=strategy)
    used = np.asarray(found.examples) > 0
    np.testing.assert_allclose(np.asarray(found.accuracy)[used], accuracy, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(found.confidence)[used], confidences, rtol=1e-5)
    assert found.examples.sum() == 300
    assert np.isnan(np.asarray(found.accuracy)[~used]).all()
    error = (np.asarray(found.examples)[used] / 300) @ abs(accuracy - confidences)
    assert ece == pytest.approx(error, rel=1e-4)


def test_a_bin_holds_its_upper_edge():
    p = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]], np.float32)
    found = montecarlo.reliability(p, np.array([0, 0, 0]), bins=4)
    assert found.examples.tolist() == [0, 1, 1, 1]


def calibrated(n):
    """Seven in ten right, at a confidence of 0.7."""
    p = np.tile(np.array([0.7, 0.3], np.float32), (n, 1))
    return p, (np.arange(n) % 10 >= 7).astype(np.uint8)


@pytest.mark.parametrize(
    ("n", "traced"),
    [
        (300_000, True),
        *(pytest.param(2 * 10**7, t, marks=pytest.mark.slow) for t in (True, False)),
    ],
)
def test_many_examples_are_counted_and_summed_without_loss(n, traced):
    p, labels = calibrated(n)
    jit = jax.jit if traced else lambda measure: measure
    for binning in ("width", "mass"):
        assert jit(partial(montecarlo.ece, binning=binning))(p, labels) < 1e-6
    diagram = jit(montecarlo.reliability)(p, labels)
    full = np.asarray(diagram.examples) > 0
    assert np.asarray(diagram.examples)[full] == n
    np.testing.assert_allclose(np.asarray(diagram.confidence)[full], 0.7, rtol=2e-7)
    np.testing.assert_allclose(np.asarray(diagram.accuracy)[full], 0.7, rtol=2e-7)
    nll = -(0.7 * np.log(0.7) + 0.3 * np.log(0.3))
    for measure, exact in (("accuracy", 0.7), ("nll", nll), ("brier", 0.7 * 0.18 + 0.3 * 0.98)):
        np.testing.assert_allclose(jit(getattr(montecarlo, measure))(p, labels), exact, rtol=3e-7)


def test_many_confidences_agree_with_float64():
    n, rng = 2_000_000, np.random.default_rng(1)
    top = np.sort(rng.random(n, np.float32) / 2 + 0.5)
    labels = (rng.random(n) > top).astype(np.int8)
    found = jax.jit(montecarlo.reliability)(np.stack([top, 1 - top], 1), labels)
    index = np.searchsorted(np.asarray(found.edges)[1:-1], top)
    counts = np.bincount(index, minlength=15)
    np.testing.assert_array_equal(found.examples, counts)
    used = counts > 0
    for part, of_example in ((found.confidence, top), (found.accuracy, labels == 0)):
        exact = np.bincount(index, of_example.astype(float), 15)[used] / counts[used]
        np.testing.assert_allclose(np.asarray(part)[used], exact, rtol=2e-7)


def test_many_scores_are_ranked():
    n, rng = 400_000, np.random.default_rng(2)
    scores, positive = rng.normal(size=n).astype(np.float32), rng.random(n) < 0.3
    exact = roc_auc_score(positive, scores)
    np.testing.assert_allclose(jax.jit(montecarlo.auroc)(scores, positive), exact, rtol=3e-7)


def test_many_large_samples_have_their_moments():
    """Rounded to float32, in which neighbours of 1e7 are 1 apart."""
    samples = (1e7 + np.random.default_rng(3).normal(size=(100_000, 2))).astype(np.float32)
    found = regress(samples, 0.5, np.full(2, 1e7, np.float32))
    doubles = samples.astype(np.float64)
    np.testing.assert_array_equal(found.mean, doubles.mean(0).astype(np.float32))
    np.testing.assert_allclose(found.epistemic, doubles.var(0), rtol=1e-6)
    density = stats.norm.pdf(1e7, doubles, np.sqrt(2)).mean(0)
    assert found.log_likelihood is not None
    np.testing.assert_allclose(found.log_likelihood, np.log(density), rtol=1e-6)


@pytest.mark.parametrize("shape", [(33, 3), (500, 1000), (5000, 50)])
def test_means_are_those_of_float64(shape):
    """To a unit in the last place; one sum is two to six away."""
    for samples in (np.full(shape, 0.7, np.float32), RNG.random(shape, np.float32)):
        exact = samples.mean(0, np.float64).astype(np.float32)
        mean = np.asarray(regress(samples, 1.0).mean)
        np.testing.assert_array_max_ulp(mean, exact, maxulp=1)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "uint32", "int32"])
def test_labels_of_narrow_types_do_not_wrap(dtype):
    classes, labels = 300, np.array([0, 3, 45, 100, 127])
    p = np.eye(classes, dtype=np.float32)[labels]
    scores = (montecarlo.brier, montecarlo.nll, montecarlo.ece, montecarlo.accuracy)
    found = jax.jit(lambda p, labels: [of(p, labels) for of in scores])(p, labels.astype(dtype))
    assert found == [0, 0, 0, 1]
    assert montecarlo.brier(p, labels.astype(dtype)) == 0


def test_empty_bins_are_no_nan_in_the_error():
    with jax.debug_nans(True):
        assert montecarlo.ece(P, LABELS) < 1


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_examples_may_be_sharded(kind):
    mesh = jax.make_mesh((4,), ("data",), axis_types=(getattr(jax.sharding.AxisType, kind),))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    names = ("accuracy", "nll", "brier", "ece")
    run = jax.jit(lambda *data: [getattr(montecarlo, name)(*data) for name in names])  # one program
    with jax.set_mesh(mesh):
        found = run(jax.device_put(P, sharding), jax.device_put(LABELS, sharding))
    np.testing.assert_allclose(found, run(P, LABELS), rtol=1e-6)


def test_scores_have_gradients():
    logits = np.log(P)
    of_nll, of_brier = (
        jax.jit(jax.grad(lambda x, measure=measure: measure(jax.nn.softmax(x), LABELS)))(logits)
        for measure in (montecarlo.nll, montecarlo.brier)
    )
    exact = (P / P.sum(1, keepdims=True) - np.eye(4)[LABELS]) / 300
    np.testing.assert_allclose(of_nll, exact, atol=1e-7)
    assert np.isfinite(of_brier).all()
    samples = SAMPLES[:, 0, 0]
    found = jax.jit(jax.grad(lambda x: montecarlo.regression(x, 1.0).epistemic))(samples)
    np.testing.assert_allclose(found, 2 * (samples - samples.mean()) / 50, atol=1e-7)


def test_equal_mass_bins_lie_at_numpys_quantiles_and_hold_about_the_same():
    found = jax.jit(lambda: montecarlo.reliability(P, LABELS, bins=7, binning="mass"))()
    exact = np.quantile(P.max(1).astype(np.float64), np.linspace(0, 1, 8))
    np.testing.assert_allclose(found.edges, exact, rtol=1e-6)
    assert np.ptp(found.examples) <= 1


def test_auroc_agrees_with_sklearn():
    positive, wrong = LABELS % 2 == 0, P.argmax(1) != LABELS
    exact = roc_auc_score(positive, SCORES)
    run = jax.jit(lambda inside, outside: [
        montecarlo.auroc(SCORES, positive), montecarlo.ood_auroc(inside, outside),
        montecarlo.misclassification_auroc(P, LABELS, SCORES),
    ])  # fmt: skip
    found = run(SCORES[~positive], SCORES[positive])
    assert found == pytest.approx([exact, exact, roc_auc_score(wrong, SCORES)], rel=1e-5)


def test_rejection_is_the_mean_over_orders_of_ties():
    scores = np.floor(SCORES[:40] * 2) / 2
    p, labels, curves = P[:40], LABELS[:40], []
    hits = (p.argmax(1) == labels).astype(np.float64)
    for seed in range(4000):
        order = np.lexsort((np.random.default_rng(seed).random(40), scores))
        curves.append((hits[order].cumsum() / np.arange(1, 41))[::-1])
    reject = jax.jit(montecarlo.rejection)
    found = reject(p, labels, scores)
    np.testing.assert_allclose(found.rejected, np.arange(40) / 40, rtol=1e-6)
    np.testing.assert_allclose(found.accuracy, np.mean(curves, 0), atol=0.04)
    assert found.accuracy[0] == pytest.approx(hits.mean())
    shuffled = RNG.permutation(40)
    again = reject(p[shuffled], labels[shuffled], scores[shuffled])
    np.testing.assert_allclose(again.accuracy, found.accuracy, rtol=1e-5)


def test_everything_else_can_be_traced():
    run = jax.jit(
        lambda p, labels, scores: (
            montecarlo.accuracy(p, labels),
            montecarlo.nll(p, labels),
            montecarlo.brier(p, labels),
            montecarlo.ece(p, labels, binning="mass"),
            montecarlo.misclassification_auroc(p, labels, scores),
            montecarlo.rejection(p, labels, scores),
        )
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run(P, LABELS, SCORES)))


NAN, TWO = float("nan"), np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)
BAD = {
    "sum": ("classification", (TWO[:, :1],), ValueError, "sum to 1 over the last axis; got a sum"),
    "logits": ("classification", (TWO * 4 - 2,), ValueError, r"in \[0, 1\].*jax.nn.softmax"),
    "one sample": ("classification", (TWO[:1],), ValueError, "Expected 2 samples or more.*got 1"),
    "nan": ("classification", (TWO * NAN,), ValueError, "without NaN; got 4 NaN among 4"),
    "rank": ("classification", (TWO[0],), ValueError, r"\(samples, ..., classes\)"),
    "integers": ("classification", (np.eye(2, dtype=int),), TypeError, "floating-point"),
    "no samples": ("classification", (None,), TypeError, "Expected floating-point data; got None"),
    "words": ("classification", (["cat", "dog"],), TypeError, "Expected floating-point data; got"),
    "no labels": ("accuracy", (TWO, None), TypeError, "Expected integer labels; got None"),
    "word": ("ece", (TWO, "ab"), TypeError, "Expected integer labels; got 'ab'"),
    "names": ("brier", (TWO, np.array(["a", "b"])), TypeError, "Expected integer labels; got arr"),
    "ragged": ("nll", (TWO, [[0], [0, 1]]), TypeError, "Expected integer labels; got"),
    "no flags": ("auroc", (TWO[0], None), TypeError, "Expected bool positive; got None"),
    "no scores": ("auroc", (None, TWO[0] > 0), TypeError, "Expected floating-point data; got None"),
    "no bins": ("ece", (TWO, np.array([0, 1]), {"bins": None}), TypeError, "integer as bins"),
    "one": ("regression", (TWO[:1], 1.0), ValueError, "Expected 2 samples or more.*got 1"),
    "nan sample": ("regression", (TWO * NAN, 1.0), ValueError, "samples without NaN"),
    "precision 0": ("regression", (TWO, 0.0), ValueError, r"precision above 0.*got 0\.0"),
    "precision -1": ("regression", (TWO, -1), ValueError, r"precision above 0.*got -1\.0"),
    "precision nan": ("regression", (TWO, NAN), ValueError, "precision above 0.*got nan"),
    "precision shape": ("regression", (TWO, np.ones(3)), ValueError, r"broadcasts.*\(3,\)"),
    "precision kind": ("regression", (TWO, "1"), TypeError, "real number.*precision"),
    "targets": ("regression", (TWO, 1.0, TWO), ValueError, r"targets of shape \(2,\).*\(2, 2\)"),
    "nan target": ("regression", (TWO, 1.0, TWO[0] * NAN), ValueError, "targets without NaN"),
    "samples kept": ("nll", (TWO[None], [0, 1]), ValueError, "Take the mean over samples"),
    "labels": ("nll", (TWO, np.array([0])), ValueError, r"labels of shape \(2,\).*\(1,\)"),
    "label": ("accuracy", (TWO, np.array([0, 2])), ValueError, "labels from 0 to 1; got 2"),
    "negative": ("brier", (TWO, np.array([-1, 0])), ValueError, "labels from 0 to 1; got -1"),
    "one-hot": ("brier", (TWO, TWO[0]), TypeError, r"integer labels.*argmax\(-1\)"),
    "bins": ("ece", (TWO, np.array([0, 1]), {"bins": 0}), ValueError, "bins of 1 or more; got 0"),
    "binning": ("ece", (TWO, np.array([0, 1]), {"binning": "area"}), ValueError, "width, mass"),
    "scores": ("auroc", (TWO[0] * NAN, np.array([True, False])), ValueError, "scores without NaN"),
    "flags": ("auroc", (TWO[0], np.array([1, 0])), TypeError, "Expected bool positive"),
    "one kind": ("auroc", (TWO[0], np.array([True, True])), ValueError, "got True alone"),
    "mismatch": ("auroc", (TWO[0], np.array([True])), ValueError, r"positive of shape \(2,\)"),
    "empty": ("ood_auroc", (TWO[0], TWO[0][:0]), ValueError, "outside of one example or more"),
    "all right": (
        "misclassification_auroc",
        (TWO, np.array([0, 1]), TWO[0]),
        ValueError,
        "both True and False",
    ),
    "uncertainty": ("rejection", (TWO, np.array([0, 1]), TWO), ValueError, "uncertainty of shape"),
}


@pytest.mark.parametrize(("name", "arguments", "error", "message"), BAD.values(), ids=BAD)
def test_bad_input(name, arguments, error, message):
    *positional, options = arguments if isinstance(arguments[-1], dict) else (*arguments, {})
    with pytest.raises(error, match=message):
        getattr(montecarlo, name)(*positional, **options)
