"""The uci study on a small set made here; what is published on it are results of its own."""

import csv
import os
import shutil
import signal
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import cli
from experiments.errors import InputError
from experiments.report.verdict import Verdict
from experiments.studies import STUDIES, command
from experiments.studies.uci import arms, compare, concrete, data, score, train
from experiments.studies.uci.network import DROPOUT, Numbers
from experiments.studies.uci.protocol import HYPERPARAMETERS, PROTOCOLS, Hyperparameters
from experiments.training.keys import seed_keys
from tests.experiments.runs.test_resume import contents

CHOSEN = Hyperparameters(0.05, 1.0, 1e-4)
SHORT = PROTOCOLS["original"]._replace(epochs=60)
SPLITS, SIZE = 6, 90


def write_set(folder, published=None):
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
    if published is not None:
        (folder / "published").mkdir()
        for name, column in zip(("MC_rmse", "ll"), published, strict=True):
            np.savetxt(folder / "published" / f"results.test_{name}.txt", column)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A set whose published results are those of four other seeds."""
    first = tmp_path_factory.mktemp("uci")
    write_set(first / "made")
    splits = data.load(first / "made")
    result = train.run(splits, SHORT, CHOSEN, seed_keys(1, 4), 600)
    second = tmp_path_factory.mktemp("uci")
    write_set(second / "made", (result.rmse.mean(1), result.log_likelihood[-1].mean(1)))
    return second, splits, result


def run(folder, output, *arguments):
    chosen = "--precision 1 --weight-reg 1e-4 --epochs 60 --samples 600 --seeds 4".split()
    where = ["--data-dir", str(folder), "--sets", "made", "--output", str(output)]
    return cli.main(["run", "uci", *where, *chosen, *arguments])


@pytest.mark.parametrize(("rate", "status"), [(0.05, 0), (0.5, 1)])
def test_a_wrong_rate_disagrees(own, tmp_path, capsys, rate, status):
    assert run(own[0], tmp_path / "run", "--rate", str(rate)) == status
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == f"verdict: {('agree', 'disagree')[status]}"
    with (tmp_path / "run" / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == SPLITS * 4
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"manifest.json", "published.png", "samples.png", "config.json", "report.html"} <= names


def test_runs_learn_and_differ(own):
    _, splits, result = own
    assert result.rmse.shape == (SPLITS, 4)
    assert result.log_likelihood.shape == (2, SPLITS, 4)
    assert result.samples.tolist() == [500, 600]
    assert (result.rmse < splits.y_test.std(1)[:, None] / 2).all()
    assert len(np.unique(result.rmse)) == SPLITS * 4


def test_normalisation_is_that_of_the_training_rows(own):
    folder, splits, _ = own
    np.testing.assert_allclose(splits.x_train.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(splits.x_train.std(1)[:, :3], 1, rtol=1e-5)
    assert (splits.x_train[..., 3] == 0).all()  # a deviation of 0 becomes 1
    np.testing.assert_allclose(splits.y_train.std(1), 1, rtol=1e-5)
    table = np.loadtxt(folder / "made" / "data.txt")
    rows = np.loadtxt(folder / "made" / "index_test_2.txt", dtype=int)
    np.testing.assert_array_equal(splits.y_test[2], table[rows, 4])


def test_every_row_is_in_a_pass_once():
    batches = np.asarray(train._batches(seed_keys(0, 1)[0], 75, 32))
    assert batches.shape == (3, 32)
    np.testing.assert_array_equal(np.sort(batches.ravel())[:75], np.arange(75))
    assert (np.sort(batches.ravel())[75:] == 75).all()


def differences(shift):
    theirs = data.Published(np.linspace(1, 2, 20), np.linspace(-3, -2, 20))
    noise = np.random.default_rng(0).normal(size=20) * 0.01
    ours = train.Result(
        (theirs.rmse + noise + shift)[:, None], theirs.log_likelihood[None, :, None], np.array([10])
    )
    return ours, theirs


@pytest.mark.parametrize(("shift", "given", "agrees"), [
    (0.0, None, True), (0.1, None, False), (-0.1, None, False), (0.1, (0.2, 0.2), True),
    (0.3, (0.2, 0.2), False), (np.nan, (0.2, 0.2), False),
])  # fmt: skip
def test_agreement(shift, given, agrees):
    ours, theirs = differences(shift)
    assert compare.agree(compare.rows("made", ours, theirs, given)) is agrees


def test_nothing_published_is_no_agreement():
    assert not compare.agree(compare.rows("made", differences(0.0)[0], None, None))


def test_dropout_off_is_the_mean_of_one_pass(own):
    """Computed here from the weights that the same keys give."""
    _, splits, _ = own
    keys, off = seed_keys(0, 1), CHOSEN._replace(rate=0.0)
    found = train.run(splits, SHORT, off, keys, 600)
    assert found.samples.tolist() == [2]
    keys = jax.vmap(lambda key: jax.random.split(key, SPLITS), out_axes=1)(keys).ravel()
    each = Hyperparameters(*(np.full(SPLITS, number) for number in off))
    numbers, epochs = train._numbers(splits, each), jnp.int32(60)
    params = train.fit((DROPOUT, (50,), 32), numbers, epochs, keys, *splits[:2])
    (first, bias), (last, offset) = ([np.asarray(part) for part in pair] for pair in params)
    hidden = np.maximum(splits.x_test @ first + bias[:, None], 0)
    outputs = splits.mean + splits.scale * (hidden @ last + offset[:, None])[..., 0]
    squares = np.square(outputs - splits.y_test)
    np.testing.assert_allclose(found.rmse[:, 0], np.sqrt(squares.mean(1)), rtol=1e-4)
    normal = (-squares - np.log(2 * np.pi)).mean(1) / 2  # at a precision of 1
    np.testing.assert_allclose(found.log_likelihood[0, :, 0], normal, rtol=1e-3)


def problem(own, samples=200):
    folder, splits, _ = own
    return arms.Problem(folder / "made", splits, SHORT, CHOSEN, seed_keys(0, 1), samples)


def test_the_search_sees_training_rows_alone(own):
    splits = own[1]
    inner = arms.hold_out(splits)
    assert inner.y_train.shape == (SPLITS, 60)
    table = np.loadtxt(own[0] / "made" / "data.txt")
    for split in range(SPLITS):
        rows = np.loadtxt(own[0] / "made" / f"index_train_{split}.txt", dtype=int)
        np.testing.assert_allclose(inner.y_test[split], table[rows[60:], 4], rtol=1e-5)
        np.testing.assert_array_equal(inner.x_test[split], splits.x_train[split, 60:])


def test_the_search_takes_the_best_of_its_grid(own, tmp_path):
    """A precision that is far off, and a rate that drops nearly all, are not taken."""
    np.savetxt(tmp_path / "dropout_rates.txt", [0.05, 0.9])
    np.savetxt(tmp_path / "tau_values.txt", [1e-4, 1.0])
    chosen = arms.search(problem(own)._replace(folder=tmp_path))
    np.testing.assert_array_equal(chosen.rate, np.full(SPLITS, 0.05))
    np.testing.assert_array_equal(chosen.precision, np.ones(SPLITS))
    rates, precisions = arms._grid(problem(own))  # this folder names none
    assert rates == list(arms.RATES)
    assert precisions[0] == pytest.approx(2 / np.square(own[1].scale).mean())


def test_numbers_of_a_split_are_its_own(own):
    """One split at another rate leaves the others as they were."""
    rate = np.full(SPLITS, CHOSEN.rate)
    rate[2] = 0.5
    one, other = (
        train.run(own[1], SHORT, CHOSEN._replace(rate=r), seed_keys(0, 1), 50).rmse[:, 0]
        for r in (CHOSEN.rate, rate)
    )
    np.testing.assert_array_equal(np.delete(one, 2), np.delete(other, 2))
    assert other[2] > one[2]


def test_learned_rates_are_learned():
    logits = concrete.init(seed_keys(0, 1)[0], (3, 50, 1), jnp.float32(0.1)).logits
    np.testing.assert_allclose(jax.nn.sigmoid(logits), [0.1, 0.1], rtol=1e-5)
    x, keys = np.random.default_rng(0).normal(size=(1, 64, 3)), seed_keys(0, 1)
    x, y = x.astype(np.float32), x.sum(-1).astype(np.float32)
    numbers = Numbers(*(jnp.full(1, number) for number in (0.1, 1e-6, 1e-6)))
    plan = (concrete.CONCRETE, (50,), 32)
    params = train.fit(plan, numbers, jnp.int32(50), keys, x, y)
    assert (params.logits < logits[None]).all()  # a target without noise wants no noise


def test_arms_stand_beside_the_verdict(own, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(arms, "RATES", (0.05,))
    monkeypatch.setattr(arms, "PRECISIONS", (10.0,))
    names = ["off", "searched", "concrete"]
    assert run(own[0], tmp_path / "run", "--rate", "0.05", "--arms", *names) == 0
    assert "without a part in the verdict" in capsys.readouterr().out
    with (tmp_path / "run" / "arms.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["arm"] for row in found] == [n for n in names for _ in range(SPLITS * 4)]
    assert all(float(row["rmse"]) < 3 for row in found)


@pytest.mark.parametrize("name", ["10x", "2layers"])
def test_the_longer_protocols_run(own, name):
    """Some epochs of them: how well they do after all is not asked here."""
    protocol = PROTOCOLS[name]._replace(epochs=30)
    found = train.run(own[1], protocol, CHOSEN, seed_keys(0, 1), 20)
    assert np.isfinite(found.rmse).all()
    assert np.isfinite(found.log_likelihood).all()


@pytest.mark.parametrize(("samples", "sizes"), [
    (2, [2]), (500, [500]), (501, [501]), (502, [500, 2]), (1001, [500, 501]),
])  # fmt: skip
def test_no_block_is_of_one_sample(samples, sizes):
    assert score._blocks(samples) == sizes


def told(capsys, *command):
    status = cli.main([*map(str, command)])
    return status, " ".join(capsys.readouterr().out.split())


def test_a_run_is_resumed_at_the_part_it_was_in_and_verified(own, tmp_path, capsys, monkeypatch):
    folder, arguments = tmp_path / "data", ["--rate", "0.05", "--arms", "off"]
    shutil.copytree(own[0], folder)
    assert run(folder, tmp_path / "whole", *arguments) == 0
    with monkeypatch.context() as patch:
        patch.setattr(train, "run", interrupted(train.run))
        with pytest.raises(KeyboardInterrupt, match=r"is kept\. To go on: .* resume"):
            run(folder, tmp_path / "cut", *arguments)
    with monkeypatch.context() as patch:
        patch.setattr(train, "run", lambda *_: pytest.fail("It is there."))
        assert told(capsys, "resume", tmp_path / "cut")[1].endswith("verdict: agree")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    identical = (0, "Identical, bit for bit.")
    assert told(capsys, "verify", tmp_path / "cut") == identical
    monkeypatch.setenv("XLA_FLAGS", os.environ["XLA_FLAGS"] + " --xla_cpu_enable_fast_math=false")
    assert told(capsys, "verify", tmp_path / "cut")[0] == 3
    np.savetxt(folder / "made" / "data.txt", 1.01 * np.loadtxt(folder / "made" / "data.txt"))
    status, said = told(capsys, "verify", tmp_path / "cut")
    assert (status, "first thing that differs: the data of made" in said) == (1, True)


def interrupted(whole):
    def once(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return whole(*arguments)

    return once


def test_a_set_with_nothing_published_is_searched(own, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(arms, "RATES", (0.05,))
    monkeypatch.setattr(arms, "PRECISIONS", (10.0,))
    write_set(tmp_path / "made")
    chosen = "--search --epochs 60 --samples 200".split()
    where = ["--data-dir", str(tmp_path), "--sets", "made", "--output", str(tmp_path / "run")]
    assert cli.main(["run", "uci", *where, *chosen]) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "verdict: nothing published to compare with"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "run uci --data-dir FOLDER --sets made --search" in page


BAD = {
    "search": (["--search", "--rate", "0.1"], "--search without --rate"),
    "arm": (["--arms", "on"], "searched"),
    "set": (["--sets", "boston"], "a set among yacht"),
    "folder": (["--data-dir", "nowhere", "--sets", "yacht"], "--data-dir"),
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


def test_list_has_a_line_for_each_study(capsys):
    assert cli.main(["list"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in lines] == list(STUDIES)


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
    assert cli.main(["run", "all", "--smoke", "--data-dir", str(tmp_path)]) == status
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
