"""Studies as designs: what a claim says, what follows from numbers, and what a run writes."""

import csv
import hashlib
import io
import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments import cli
from experiments.errors import InputError
from experiments.models import Drop, Perceptron
from experiments.report.intervals import Interval
from experiments.report.verdict import Verdict
from experiments.runs.execute import train
from experiments.studies import DESIGNED, DESIGNS, claim
from experiments.studies import results as measure
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
from tests.experiments.report.test_page import looked_at

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
        task = measure._task(case, SMOKE)
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
    tasks = measure.tasks(design, settings)
    results = measure.results(design, tasks, train(tasks, sweep.Checkpoints()))
    found = claim.findings(design, results)
    expected = [Verdict.SUPPORTED, Verdict.REFUTED, Verdict.REFUTED]
    assert [finding.verdict for finding in found] == expected


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "where"
    assert cli.main(["run", "where", "--smoke", "--output", str(folder)]) == 3
    return folder


def test_a_run_folder_explains_itself(run):
    names = {path.name for path in run.iterdir()}
    tables = {"results.csv", "history.csv", "contrasts.csv", "config.json", "verdict.json"}
    pages = {"report.html", "contrasts.png", "arms.png", "curves.png", "manifest.json"}
    assert names == tables | pages
    rows = list(csv.DictReader(io.StringIO((run / "results.csv").read_text())))
    assert len(rows) == 5 * SMOKE.seeds
    assert {row["arm"] for row in rows} >= {"none", "input and hidden"}
    concluded = json.loads((run / "verdict.json").read_text())
    assert concluded["study"] == "where"
    assert concluded["verdict"] == "not decided at this size"
    page = (run / "report.html").read_text()
    assert concluded["claim"][1:] in page
    assert "run where --smoke" in page
    history = (run / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 5 * SMOKE.seeds * SMOKE.epochs


def test_a_smoke_run_repeats_bit_for_bit(run, tmp_path):
    assert cli.main(["run", "where", "--smoke", "--output", str(tmp_path / "again")]) == 3
    for name in ("results.csv", "history.csv", "contrasts.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()


def test_an_atlas_has_a_line_for_each_run(run, tmp_path, capsys):
    assert cli.main(["report", str(run), "--output", str(tmp_path / "atlas")]) == 0
    assert "where" in capsys.readouterr().out
    markdown = (tmp_path / "atlas" / "atlas.md").read_text()
    assert markdown.splitlines()[2].startswith("| `where` | dropout on only")
    page = (tmp_path / "atlas" / "report.html").read_text()
    assert "1 runs: 1 not decided at this size." in page
    link = page.split('<a href="')[1].split('"')[0]
    assert (tmp_path / "atlas" / link).resolve() == (run / "report.html").resolve()


def test_an_atlas_refuses_what_is_no_run_or_was_changed(run, tmp_path, capsys):
    def said(*folders):
        status = cli.main(["report", *map(str, folders), "--output", str(tmp_path / "atlas")])
        assert status == 2
        assert not (tmp_path / "atlas").exists()
        return " ".join(capsys.readouterr().err.split())

    assert "at least one run folder" in said()
    assert "to hold a finished run" in said(tmp_path)
    copy = copied(run, tmp_path / "copy")
    (copy / "verdict.json").write_text("{}")
    assert "got another verdict.json" in said(copy)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--epochs", "0"], "--epochs of 1 or more"),
    (["--seed", "-1"], "a --seed from 0"),
    (["--learning-rate", "nan"], "a --learning-rate above 0"),
    (["--batch-size", "600"], "a --batch-size of at most"),
    (["--dataset", "nothing"], "--dataset to be one of"),
    (["--chunk", "0"], "--chunk of 1 or more"),
    (["--checkpoint-every", "-1"], "a --checkpoint-every of 0 seconds or more"),
    (["--seeds", "3000000000000"], "at most 10,000,000 networks"),
    (["--epochs", "3000000000"], "fewer than 2**31 steps"),
])  # fmt: skip
def test_bad_input(tmp_path, capsys, arguments, message):
    assert cli.main(["run", "where", *arguments, "--output", str(tmp_path / "run")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNED)
def test_every_study_runs_in_its_smallest_version(name, tmp_path):
    assert cli.main(["run", name, "--smoke", "--output", str(tmp_path / "run")]) == 3


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


def verified(folder, capsys):
    status = cli.main(["verify", str(folder)])
    return status, " ".join(capsys.readouterr().out.split())


def copied(run, folder):
    folder.mkdir()
    for path in run.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def rewritten(folder, name, change):
    """A file changed, and the manifest made to fit it."""
    content = change((folder / name).read_text())
    (folder / name).write_text(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"][name] = hashlib.sha256(content.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_study_is_verified_bit_for_bit(run, capsys):
    assert verified(run, capsys) == (0, "Identical, bit for bit.")


def test_a_study_that_differs_is_told_by_what(run, tmp_path, capsys):
    (copied(run, tmp_path / "file") / "results.csv").write_text("changed")
    assert verified(tmp_path / "file", capsys)[1].endswith(
        "differs: results.csv (its digest is not the manifest's)."
    )
    table = copied(run, tmp_path / "table")
    rewritten(table, "history.csv", lambda text: text + " ")
    status, said = verified(table, capsys)
    assert (status, "differs: history.csv (its digest is right" in said) == (1, True)


def settled(run, folder, **changes):
    """A copy of a run whose manifest has other settings."""
    copied(run, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["config"] |= changes
    manifest["seed"] = manifest["config"]["seed"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_study_of_other_settings_differs_in_what_follows_from_them(run, tmp_path, capsys):
    assert verified(settled(run, tmp_path / "data", dataset="no.npz"), capsys)[0] == 2
    said = verified(settled(run, tmp_path / "seed", seed=1), capsys)
    assert said == (
        1,
        "Different. The first thing that differs: the keys of mlp (of another digest than the "
        "manifest's).",
    )


def test_a_study_elsewhere_is_the_same_within_a_tolerance(run, tmp_path, capsys):
    folder = copied(run, tmp_path / "elsewhere")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["environment"]["versions"]["jax"] = "0.0"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert verified(folder, capsys)[0] == 3
    last = (run / "results.csv").read_text().splitlines()[-1]
    near = last.replace(last.split(",")[5], str(float(last.split(",")[5]) + 0.05))
    far = last.replace(last.split(",")[5], str(float(last.split(",")[5]) + 2))
    row = ", ".join(last.split(",")[:3])
    rewritten(folder, "results.csv", lambda text: text.replace(last, near))
    assert verified(folder, capsys)[0] == 3
    rewritten(folder, "results.csv", lambda text: text.replace(near, far))
    status, said = verified(folder, capsys)
    assert (status, f"the row {row} of results.csv" in said, "jax 0.0" in said) == (1, True, True)


@pytest.mark.parametrize("change", [
    {"environment": 1}, {"cases": []}, {"cases": {"mlp": 3}}, {"cases": {}},
    {"sha256": {"../x": "0"}}, {"command": ["run", "nothing"]}, {"outcomes": {}},
], ids=str)  # fmt: skip
def test_a_malformed_manifest_of_a_study_is_one_message(run, tmp_path, capsys, change):
    folder = copied(run, tmp_path / "copy")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | change))
    assert cli.main(["verify", str(folder)]) == 2
    assert capsys.readouterr().err.startswith("error: Expected")


@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_finds_no_fault_in_the_page_of_a_study(run, tmp_path, width):
    seen = looked_at((run / "report.html").read_text(), width, tmp_path)
    assert (seen["errors"], seen["overlaps"]) == ([], [])
    assert seen["spill"] <= 0
