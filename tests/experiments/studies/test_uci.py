"""The uci study on a small set made here; what is published on it are results of its own."""

import csv
import os
import re
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from experiments import cli
from experiments.errors import InputError
from experiments.report.verdict import Verdict
from experiments.studies import STUDIES, command
from experiments.studies.uci import data, network, published, report, train
from experiments.studies.uci.config import HYPERPARAMETERS, PROTOCOLS, Hyperparameters
from experiments.studies.uci.data import Splits
from experiments.studies.uci.network import Numbers, Result
from experiments.studies.uci.published import Published, Results
from experiments.studies.uci.train import Problem
from experiments.training.fit import fit
from experiments.training.keys import seed_keys
from tests.experiments.telling import telling

CHOSEN = Hyperparameters(0.05, 1.0, 1e-4)
SHORT = PROTOCOLS["original"]._replace(epochs=60)
SPLITS, SEEDS, SIZE = 6, 4, 90
BLOCK, SAMPLES = 20, 40
OF_STUDIES = network.BLOCK
ARMS = ["off", "searched", "concrete"]
PRIMARY, OFF, TRIED = (0.05, 1.0), (0.0, 1.0), (0.05, 10.0)  # rate and precision


def write_set(folder, results=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SIZE, 3))
    y = 3 * np.sin(x[:, 0]) + 2 * x[:, 1] + 10 + 0.3 * rng.normal(size=SIZE)
    folder.mkdir(parents=True)
    np.savetxt(folder / "data.txt", np.column_stack([x, np.ones(SIZE), y]))  # one never varies
    np.savetxt(folder / "index_features.txt", range(4), "%d")
    np.savetxt(folder / "index_target.txt", [4], "%d")
    for split in range(SPLITS):
        order = rng.permutation(SIZE)
        np.savetxt(folder / f"index_train_{split}.txt", order[:75], "%d")
        np.savetxt(folder / f"index_test_{split}.txt", order[75:], "%d")
    if results is not None:
        (folder / "published").mkdir()
        for name, column in zip(("MC_rmse", "ll"), results, strict=True):
            np.savetxt(folder / "published" / f"results.test_{name}.txt", column)


@pytest.fixture(autouse=True, scope="module")
def small_grid():
    """A few tries, and blocks of a few samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "BLOCK", BLOCK)
        patch.setattr(train, "SEARCH_SAMPLES", BLOCK)
        patch.setattr(train, "RATES", (TRIED[0],))
        patch.setattr(train, "PRECISIONS", (TRIED[1],))
        yield


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A set whose published results are those of four other seeds."""
    first, second = (tmp_path_factory.mktemp("uci") for _ in range(2))
    write_set(first / "made")
    other = problem(first)._replace(seeds=seed_keys(1, SEEDS))
    result = train.run(other)
    write_set(second / "made", result.of_splits)
    return second, result


@pytest.fixture(scope="module")
def primary(own):
    """Our own seeds of it, trained."""
    return train.run(problem(own[0]))


@pytest.fixture(scope="module")
def watched(own, tmp_path_factory):
    """A finished run with all arms, and what was told of it meanwhile."""
    folder = tmp_path_factory.mktemp("uci") / "run"
    with telling() as told:
        assert run(own[0], folder, "--rate", "0.05", "--arms", *ARMS) == 0
    return folder, told


@pytest.fixture(scope="module")
def whole(watched):
    return watched[0]


def problem(folder):
    splits, keys = data.load(folder / "made"), seed_keys(0, SEEDS)
    return Problem(folder / "made", splits, SHORT, keys, SAMPLES, CHOSEN)


def run(folder, output, *arguments):
    chosen = "--precision 1 --weight-reg 1e-4".split()
    return cli.main([*words(folder, output), *chosen, *arguments])


def words(folder, output):
    """All that is compiled is what a `problem` compiles."""
    where = ["--data-dir", str(folder), "--sets", "made", "--output", str(output)]
    sizes = f"--epochs 60 --seeds {SEEDS} --samples {SAMPLES}".split()
    return ["run", "uci", *where, *sizes]


def rows(file):
    with file.open() as source:
        return list(csv.DictReader(source))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def told(capsys, *command):
    status = cli.main([*map(str, command)])
    return status, " ".join(capsys.readouterr().out.split())


def test_a_run_is_whole(whole):
    assert len(rows(whole / "results.csv")) == SPLITS * SEEDS
    names = {path.name for path in whole.iterdir()}
    assert {"manifest.json", "published.svg", "samples.svg", "config.json", "report.html"} <= names
    of_arms = rows(whole / "arms.csv")
    assert [row["arm"] for row in of_arms] == [arm for arm in ARMS for _ in range(SPLITS * SEEDS)]
    assert all(float(row["rmse"]) < 3 for row in of_arms)
    for arm, other in ((0, 1), (0, 2), (1, 2)):
        one, another = (
            of_arms[place * SPLITS * SEEDS :][0]["log_likelihood"] for place in (arm, other)
        )
        assert one != another


def test_each_column_of_a_page_has_a_name(whole):
    names = re.findall('<button type="button">(.*?)</button>', (whole / "report.html").read_text())
    assert {"verdict", "arm"} <= {*names}
    assert all(names)


def test_a_run_tells_the_arm_the_epoch_and_how_much_is_done(watched):
    told = watched[1]
    for title in ("made", "made, off", "made, searched", "made, concrete"):
        assert f"Training {title}: 6 splits × 4 seeds, epoch 60 of 60" in told
    assert "Training made, searched, search: 6 splits × 1 seed, epoch 60 of 60" in told
    assert list(told.values()) == sorted(told.values())
    assert (min(told.values()), max(told.values())) == (0, 1)


def test_a_wrong_rate_disagrees(own, tmp_path, capsys):
    assert run(own[0], tmp_path / "run", "--rate", "0.5") == 1
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "verdict: disagree"
    assert "without a part in the verdict" not in said


def test_networks_learn_and_differ(own):
    folder, result = own
    splits = data.load(folder / "made")
    assert result.rmse.shape == (SPLITS, SEEDS)
    assert result.log_likelihood.shape == (2, SPLITS, SEEDS)
    assert result.samples.tolist() == [BLOCK, SAMPLES]
    assert (result.rmse < splits.y_test.std(1)[:, None] / 2).all()
    assert len(np.unique(result.rmse)) == SPLITS * SEEDS


def test_normalisation_is_that_of_the_training_rows(own):
    folder, splits = own[0], data.load(own[0] / "made")
    np.testing.assert_allclose(splits.x_train.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(splits.x_train.std(1)[:, :3], 1, rtol=1e-5)
    assert (splits.x_train[..., 3] == 0).all()  # a deviation of 0 becomes 1
    np.testing.assert_allclose(splits.y_train.std(1), 1, rtol=1e-5)
    table = np.loadtxt(folder / "made" / "data.txt")
    rows = np.loadtxt(folder / "made" / "index_test_2.txt", dtype=int)
    np.testing.assert_array_equal(splits.y_test[2], table[rows, 4])


def compared(shift, given):
    theirs = Published(np.linspace(1, 2, 20), np.linspace(-3, -2, 20))
    noise = np.random.default_rng(0).normal(size=20) * 0.01
    ours = Result(
        (theirs.rmse + noise + shift)[:, None], theirs.log_likelihood[None, :, None], np.array([10])
    )
    tolerances = {} if given is None else {"made": given}
    return published.compare({"made": Results(theirs, ours, {})}, tolerances)


@pytest.mark.parametrize(("shift", "given", "verdict"), [
    (0.0, None, Verdict.AGREE), (0.1, None, Verdict.DISAGREE), (-0.1, None, Verdict.DISAGREE),
    (0.1, (0.2, 0.2), Verdict.AGREE), (0.3, (0.2, 0.2), Verdict.DISAGREE),
    (np.nan, (0.2, 0.2), Verdict.DISAGREE),
])  # fmt: skip
def test_agreement(shift, given, verdict):
    assert published.verdict(compared(shift, given)) is verdict


@pytest.mark.parametrize(("shift", "says"), [
    (0.0, "Agree: 2 of 2 figures agree; furthest off is made "),
    (0.1, "Disagree: 1 of 2 figures agree; furthest off is made RMSE 1.60 (published 1.50)"),
    (np.nan, "Disagree: 1 of 2 figures agree; furthest off is made RMSE nan (published 1.50)"),
])  # fmt: skip
def test_what_is_said_first_follows_from_the_run(shift, says):
    made = compared(shift, None)
    assert published.headline(made).startswith(says)
    assert published.headline(made).endswith(published.in_one(made))
    alt = report.against_published(made, "").alt
    assert alt.startswith(f"{published.headline(made)}. Ours less published, ")
    assert made[0].difference is not None
    assert f"made RMSE {made[0].difference.mean:+.3f} ± " in alt


def test_each_is_as_far_off_as_its_tolerance_says(monkeypatch):
    monkeypatch.setattr(report, "picture", lambda title, figure, *_: figure)
    (axes,) = report.against_published(compared(0.1, (0.2, 0.2)), "").axes
    (rmse, likelihood) = (line.get_xdata() for line in axes.lines[1:] if line.get_marker() == "o")
    assert rmse == pytest.approx(0.5, abs=0.05)
    assert likelihood == pytest.approx(0, abs=0.05)
    assert axes.texts[0].get_text() == "made RMSE 1.60 (published 1.50)"


@pytest.mark.parametrize(("short", "says"), [
    ({"one": 0.1, "two": 0.3}, "0.3 nats (two)"), ({"one": 0.4, "two": 0.3}, "0.4 nats (one)"),
])  # fmt: skip
def test_the_title_of_samples_names_the_set_that_needs_most(short, says):
    def made(off):
        likelihoods = np.zeros((2, SPLITS, 1)) - [[[off]], [[0]]]
        return Results(None, Result(np.ones((SPLITS, 1)), likelihoods, np.array([500, 900])), {})

    sets = {name: made(off) for name, off in short.items()}
    said = "500 samples miss the log-likelihood of 900 by at most "
    alt = report.likelihood_by_samples(sets, "").alt
    assert alt.startswith(f"{said}{says}. ")
    least = min(short, key=short.__getitem__)
    assert alt.endswith(f"least is missed in {least}, {short[least]:.2g} nats.")


def test_dropout_off_is_the_mean_of_one_pass(own):
    """Computed here from the weights that the same keys give."""
    made = problem(own[0])._replace(chosen=CHOSEN._replace(rate=0.0))
    scored = train.run(made)
    assert scored.samples.tolist() == [2]
    splits = Splits(*(np.repeat(leaf, SEEDS, axis=0) for leaf in made.splits))
    decay: Any = np.full(SPLITS * SEEDS, 1e-4 / (2 * splits.y_train.shape[1]), np.float32)
    numbers = Numbers(0 * decay, decay, 0 * decay)
    networks = fit(made.plan, 60, (), made.keys.ravel(), numbers, *splits[:2])
    (first, bias), (last, offset) = ([np.asarray(leaf) for leaf in pair] for pair in networks)
    hidden = np.maximum(splits.x_test @ first + bias[:, None], 0)
    outputs = splits.mean + splits.scale * (hidden @ last + offset[:, None])[..., 0]
    squares = np.square(outputs - splits.y_test)
    np.testing.assert_allclose(scored.rmse.ravel(), np.sqrt(squares.mean(1)), rtol=1e-4)
    normal = (-squares - np.log(2 * np.pi)).mean(1) / 2  # at a precision of 1
    np.testing.assert_allclose(scored.log_likelihood[0].ravel(), normal, rtol=1e-3)


def test_the_search_sees_training_rows_alone(own):
    folder, splits = own[0] / "made", problem(own[0]).splits
    inner = train.hold_out(splits)
    assert inner.y_train.shape == (SPLITS, 60)
    table = np.loadtxt(folder / "data.txt")
    for split in range(SPLITS):
        held = np.loadtxt(folder / f"index_train_{split}.txt", dtype=int)[60:]
        np.testing.assert_allclose(inner.y_test[split], table[held, 4], rtol=1e-5)
        np.testing.assert_array_equal(inner.x_test[split], splits.x_train[split, 60:])


def test_the_search_takes_the_best_of_its_grid(own, tmp_path):
    """A precision that is far off, and a rate that drops nearly all, are not taken."""
    made = problem(own[0])
    np.savetxt(tmp_path / "dropout_rates.txt", [0.05, 0.9])
    np.savetxt(tmp_path / "tau_values.txt", [1e-4, 1.0])
    seen = []
    chosen = train.search(made._replace(folder=tmp_path), seen.append)
    assert [*dict.fromkeys(moment.chunk for moment in seen)] == [0, 1, 2, 3]
    np.testing.assert_array_equal(chosen.rate, np.full(SPLITS, 0.05))
    np.testing.assert_array_equal(chosen.precision, np.ones(SPLITS))
    rates, precisions = train.grid(made)  # this folder names none
    assert rates == [0.05]
    assert precisions == [pytest.approx(10 / np.square(made.splits.scale).mean())]


def test_numbers_of_a_split_are_its_own(own, primary):
    """One split at another rate leaves the others as they were."""
    rate = np.full(SPLITS, CHOSEN.rate)
    rate[2] = 0.5
    other = train.run(problem(own[0])._replace(chosen=CHOSEN._replace(rate=rate)))
    same = np.arange(SPLITS) != 2
    np.testing.assert_array_equal(primary.rmse[same], other.rmse[same])
    assert (other.rmse[2] > primary.rmse[2]).all()


def test_learned_rates_are_learned(own):
    made = train.of_arm("concrete", problem(own[0]))
    x = np.random.default_rng(0).normal(size=(SPLITS * SEEDS, 75, 4)).astype(np.float32)
    each: Any = (np.full(len(x), number, np.float32) for number in (0.1, 1e-6, 1e-6))
    numbers = Numbers(*each)
    fresh, learned = (
        fit(made.plan, epochs, (), made.keys.ravel(), numbers, x, x.sum(-1)) for epochs in (0, 50)
    )
    np.testing.assert_allclose(fresh.logits, np.log(0.1 / 0.9), rtol=1e-5)
    assert (np.asarray(learned.logits) < fresh.logits).all()  # without noise it wants no noise


def test_two_layers_and_a_batch_larger_than_the_set(own):
    """Some epochs of this protocol: how well it does after all is not asked here."""
    made = problem(own[0])._replace(protocol=PROTOCOLS["2layers"]._replace(epochs=30))
    assert (made.plan.sizes, made.plan.steps) == ((4, 50, 50, 1), 1)
    scored = train.run(made)
    assert np.isfinite(scored.rmse).all()
    assert np.isfinite(scored.log_likelihood).all()


@pytest.mark.parametrize(("samples", "sizes"), [
    (2, [2]), (500, [500]), (501, [501]), (502, [500, 2]), (1001, [500, 501]),
])  # fmt: skip
def test_no_block_is_of_one_sample(samples, sizes, monkeypatch):
    monkeypatch.setattr(network, "BLOCK", OF_STUDIES)
    assert network.blocks(samples) == sizes


def test_a_run_is_resumed_at_the_arm_it_was_in(own, whole, tmp_path, capsys, monkeypatch):
    trained, of_problem = [], train.run

    def noted(problem, tick):
        os.kill(os.getpid(), signal.SIGINT) if not trained else None
        trained.append(tuple(float(np.ravel(number)[0]) for number in problem.chosen[:2]))
        return of_problem(problem, tick)

    monkeypatch.setattr(train, "run", noted)
    with pytest.raises(KeyboardInterrupt, match=r"is kept\. To go on: .* resume"):
        run(own[0], tmp_path, "--rate", "0.05", "--arms", *ARMS)
    assert trained == [PRIMARY]
    assert told(capsys, "resume", tmp_path)[1].endswith("verdict: agree")
    assert trained[1] == OFF
    assert PRIMARY not in trained[1:]
    assert contents(tmp_path) == contents(whole)


def test_a_run_is_verified(whole, capsys, monkeypatch):
    assert told(capsys, "verify", whole) == (0, "Identical, bit for bit.")
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"] + " --xla_cpu_enable_fast_math=false")
    assert told(capsys, "verify", whole)[0] == 3


def test_other_data_are_named_on_verifying(own, whole, capsys):
    file = own[0] / "made" / "data.txt"
    before = file.read_text()
    np.savetxt(file, 1.01 * np.loadtxt(file))
    status, said = told(capsys, "verify", whole)
    file.write_text(before)
    assert (status, "first thing that differs: the data of made" in said) == (1, True)


def test_a_set_with_nothing_published_is_searched(tmp_path, capsys):
    write_set(tmp_path / "made")
    assert cli.main([*words(tmp_path, tmp_path / "run"), "--search"]) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "verdict: nothing published to compare with"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "run uci --data-dir FOLDER --sets made --search" in page


BAD = {
    "search": (["--search", "--rate", "0.1"], "--search without --rate"),
    "arm": (["--arms", "on"], "searched"),
    "set": (["--sets", "boston"], "a set among yacht"),
    "folder": (["--data-dir", "nowhere", "--sets", "yacht"], "got: none. Name the folder"),
    "set elsewhere": (["--sets", "../x"], "names of folders in --data-dir"),
    "rate": (["--rate", "1"], "--rate in [0, 1)"),
    "precision": (["--precision", "0"], "--precision above 0"),
    "weight": (["--weight-reg", "-1"], "--weight-reg above 0"),
    "samples": (["--samples", "1"], "--samples of 2 or more"),
    "seeds": (["--seeds", "0"], "--seeds of 1 to 1,000"),
    "epochs": (["--epochs", "0"], "--epochs of 1 to"),
    "many seeds": (["--seeds", "99999999999"], "--seeds of 1 to 1,000"),
    "many epochs": (["--epochs", "3000000000"], "--epochs of 1 to"),
    "no set": (["--sets"], "a set in --sets"),
    "protocol": (["--protocol", "5x"], "2layers"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_message_and_status_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "run", lambda *_: pytest.fail("It trained."))
    try:
        status = cli.main(["run", "uci", *arguments])
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr()
    assert (status, "Traceback" in said.err) == (2, False)
    assert message in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("file", "content", "message"), [
    ("data.txt", "1 2\n3 x\n", "Expected numbers"),
    ("data.txt", "nan 2 3 4 5\n", "finite numbers"),
    ("index_test_0.txt", "90\n", "whole numbers from 0 to 89"),
    ("index_train_0.txt", "-1\n", "whole numbers"),
    ("index_target.txt", "1.5\n", "whole numbers"),
    ("index_test_1.txt", "0\n1\n", "split 1 in .* to be as large as split 0"),
])  # fmt: skip
def test_bad_files(tmp_path, file, content, message):
    write_set(tmp_path / "made")
    (tmp_path / "made" / file).write_text(content)
    with pytest.raises(InputError, match=message):
        data.load(tmp_path / "made")


def test_list_is_a_table_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    command.list_studies()
    assert "study" in capsys.readouterr().out


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.SUPPORTED, 0), (Verdict.REFUTED, 1)])
def test_run_all_skips_by_name_what_lacks_its_data(tmp_path, capsys, monkeypatch, verdict, status):
    monkeypatch.setattr(command, "execute", lambda *_: verdict)
    studies = {name: STUDIES[name] for name in ("uncertainty", "uci")}
    monkeypatch.setattr(command, "STUDIES", studies)
    monkeypatch.chdir(tmp_path)
    every = ["run", "all", "--smoke", "--data-dir", str(tmp_path)]
    assert (cli.main(every), cli.main([*every, "--strict"])) == (0, status)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("uci: skipped, no yacht") for line in lines)
    assert lines[-1] == f"verdict: uncertainty {verdict.value}, uci skipped"


def test_run_all_without_any_data_decides_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "STUDIES", {"uci": STUDIES["uci"]})
    assert cli.main(["run", "all", "--data-dir", str(tmp_path)]) == 3
    assert capsys.readouterr().out.splitlines()[-1].startswith("verdict: none")


def test_published_hyperparameters_can_be_replaced():
    config = replace(STUDIES["uci"].defaults, rate=0.2)
    assert config.hyperparameters("energy") == HYPERPARAMETERS["energy"]._replace(rate=0.2)
