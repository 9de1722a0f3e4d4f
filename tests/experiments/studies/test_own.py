"""`compare --model`: every site of a reader's model becomes a placement, in a run like any."""

import csv
import doctest
import json
import shutil
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from experiments import cli
from experiments.errors import InputError
from experiments.runs import execute, manifest
from experiments.studies import compare as package
from experiments.studies.compare import compare, source
from experiments.studies.compare.design import grid, of_model
from experiments.training import sweep
from jaxdrop.nnx import GaussianDropout
from tests.experiments.own import FILE, SITES, names, save

SMALL = "--rates 0.5 --seeds 2 --epochs 2 --batch-size 20".split()
FILES = {
    "config.json", "results.csv", "history.csv", "manifest.json", "curves.svg", "differences.svg",
    "report.html", "verdict.json",
}  # fmt: skip


def run(*arguments):
    return cli.main(["compare", "--dataset", "set.npz", *SMALL, *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the model, its data and a run of it are; tests change copies."""
    path = tmp_path_factory.mktemp("own")
    save(path)
    with pytest.MonkeyPatch.context() as patch, jax.numpy_dtype_promotion("standard"):
        patch.chdir(path)
        assert run("--model", "model.py:network", "--sites", "encoder.*", "--output", "run") == 0
    return path


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    return tmp_path


def rows(folder):
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


def untrained(monkeypatch):
    monkeypatch.setattr(execute, "train", lambda *_: pytest.fail("It trained."))


def test_each_site_all_of_them_and_each_group_are_placements():
    placements = of_model(("a.b", "a.c", "x[0]"), ("a.*",))
    assert placements == {
        "a.b": ("a.b",), "a.c": ("a.c",), "x[0]": ("x[[]0]",), "all": ("*",), "a.*": ("a.*",),
    }  # fmt: skip
    assert len(grid(placements, (0.1, 0.5))) == 1 + 5 * 2
    assert list(of_model(["only"])) == ["only"]
    for name in ("none", "all"):
        with pytest.raises(
            InputError, match=f"groups of other names than none and all; got {name}"
        ):
            of_model(["only"], ["o*", name])


def test_a_run_of_a_readers_model_is_one_like_ours(folder):
    assert {path.name for path in (folder / "run").iterdir()} == FILES | {"accuracy.svg"}
    placements = ["none", *SITES, "all", "encoder.*"]
    found = rows(folder / "run")
    assert [row["placement"] for row in found] == [name for name in placements for _ in range(2)]
    losses = {row["placement"]: row["train_nll"] for row in found if row["seed"] == "0"}
    assert len(set(losses.values())) == len(placements), "each placement trains its own way"
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    digest = json.dumps(manifest["files"])
    assert "model.py" in digest
    assert manifest["config"]["own"]["model"] == "model.py:network"


def test_it_says_what_was_trained(here):
    html = (here / "run" / "report.html").read_text()
    assert "Model model.py:network, 159 parameters, 3 dropout sites" in html
    assert "60 training (all there are, for every seed) and 30 test examples" in html


def test_a_run_is_verified(here, capsys):
    assert cli.main(["verify", "run"]) == 0
    assert "Identical, bit for bit" in capsys.readouterr().out


def test_another_model_file_is_named_before_anything_is_built(here, capsys, monkeypatch):
    untrained(monkeypatch)
    (here / "model.py").write_text(FILE.replace("nnx.relu", "nnx.gelu") + "\n1 / 0\n")
    assert cli.main(["verify", "run"]) == 1
    said = "first thing that differs: model.py (of another digest than the manifest's)"
    assert said in capsys.readouterr().out
    (here / "model.py").unlink()
    assert cli.main(["verify", "run"]) == 2
    assert "Expected the file model.py that the run was given; got none" in capsys.readouterr().err


def test_the_same_command_gives_the_same_bytes_and_goes_on_with_the_same_file_only(
    here, capsys, monkeypatch
):
    words = json.loads((here / "run" / "manifest.json").read_text())["command"]
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cli.main([*words, "--output", "half"])
    (here / "model.py").write_text(FILE + "\n")
    assert cli.main(["resume", "half"]) == 2
    said = capsys.readouterr().err
    assert "Expected what the run began with; got other: model.py" in said
    (here / "model.py").write_text(FILE)
    assert cli.main(["resume", "half"]) == 0
    for name in sorted(FILES | {"accuracy.svg"}):
        assert (here / "half" / name).read_bytes() == (here / "run" / name).read_bytes(), name


def interrupted(*_):
    raise KeyboardInterrupt


def test_real_targets_are_predicted_by_a_model_into_which_dropout_is_put(here, capsys):
    numbers = np.random.default_rng(1).normal(size=(60, 3))
    save(here, y_train=numbers, y_test=numbers[:30])
    words = ("--model", "model.py:plain", "--insert", "after:Linear", "before-last:Linear")
    assert run(*words, "--loss", "mse", "--output", "out") == 0
    printed = capsys.readouterr().out
    assert "test MSE" in printed
    assert "accuracy" not in printed.lower()
    assert (here / "out" / "mse.svg").exists()
    found = rows(here / "out")
    assert [*found[0]][3:] == ["train_mae", "train_mse", "test_mae", "test_mse"]
    assert all(0.1 < float(row["test_mse"]) < 3 for row in found)
    first, last = "layers.1.dropout_after", "layers.3"
    assert [row["placement"] for row in found[::2]] == [
        "none", first, f"{last}.dropout_after", f"{last}.dropout_before", "all"
    ]  # fmt: skip
    errors = [[float(row["test_mse"]) for row in found[two : two + 2]] for two in range(0, 10, 2)]
    assert f"{min(map(np.mean, errors)):.4g} " in printed


BAD = {
    "no file": ("nothing.py:network", [], "the file of --model; got nothing.py: No such file"),
    "no form": ("model.py", [], "--model FILE.py:NAME; got 'model.py'"),
    "nothing": (
        "model.py:nothing",
        [],
        "model.py; got none of that name. Name one of Block, Network",
    ),
    "no function": (
        "raising.py:THREE",
        [],
        "THREE to be a function or a class in raising.py; got 3, which cannot be called. Name one",
    ),
    "empty": ("numbers.py:build", [], "got none of that name. Define build(rngs) there."),
    "syntax": ("syntax.py:f", [], "syntax.py to run; got SyntaxError"),
    "raises when run": ("broken.py:f", [], "ZeroDivisionError: division by zero (line 1 of broken"),
    "exits when run": ("script.py:f", [], "script.py to run; got SystemExit: 3 (line 2 of script"),
    "raises when built": ("raising.py:build", [], "ValueError: no width (line 3 of raising.py: "),
    "raises when called": ("raising.py:call", [], "line 8 of raising.py: return x + x[1:]"),
    "no sites": ("model.py:plain", [], "with dropout sites; got none. Put some in: --insert"),
    "static rate": ("raising.py:attention", [], "inside itself. Build it with dropout_rate=0"),
    "classes": ("model.py:predictor", [], "outputs of shape (20, 3)"),
    "real targets": ("model.py:network", ["--loss", "mse"], "outputs of shape (20,)"),
    "no rule": ("model.py:plain", ["--insert", "behind:Linear"], "--insert to be one of after:"),
    "no class": ("model.py:plain", ["--insert", "after:Lin"], "Lin in --insert; got none of that"),
    "no name": ("model.py:plain", ["--insert", "after:Linear,"], "a name on each side of a comma"),
    "no place": ("model.py:plain", ["--insert", "after:Conv"], "--insert to find its place"),
    "no group": ("model.py:network", ["--sites", "decoder.*"], "got 'decoder.*'"),
    "our placements": (
        "model.py:network",
        ["--placements", "input"],
        "got --placements as well. Leave out",
    ),
    "our layers": (
        "model.py:network",
        ["--widths", "8", "--activation", "tanh"],
        "got --widths and --activation as well. Leave out --widths and",
    ),
    "idle": ("raising.py:idle", [], "sites that drop when the model trains; got none"),
}
OTHERS = {
    "syntax.py": "def f(:\n",
    "broken.py": "1 / 0\n",
    "numbers.py": "number = 1\n",
    "script.py": "import sys\nsys.exit(3)\n",
    "raising.py": textwrap.dedent("""
        from flax import nnx
        def build(rngs): raise ValueError("no width")
        class Call(nnx.Module):
            def __init__(self, rngs):
                self.dropout = nnx.Dropout(0.5, rngs=rngs)
            def __call__(self, x):
                return x + x[1:]
        call = lambda rngs: Call(rngs)
        class Idle(Call):
            def __call__(self, x):
                return self.dropout(x.reshape(len(x), -1), deterministic=True)[:, :3]
        idle = lambda rngs: Idle(rngs)
        def attention(rngs):
            return nnx.MultiHeadAttention(2, 2, dropout_rate=0.5, decode=False, rngs=rngs)
        THREE = 3
    """),
}


@pytest.mark.parametrize(("model", "more", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_message(here, capsys, monkeypatch, model, more, message):
    untrained(monkeypatch)
    for name, text in OTHERS.items():
        (here / name).write_text(text)
    assert run("--model", model, *more, "--output", "out") == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not (here / "out").exists()


HELPED = """
from widths import WIDTH
def build(rngs):
    from sites import site
    return site(WIDTH, rngs)
"""
HELPERS = (
    "WIDTH = 4\n",
    "from flax import nnx\ndef site(n, rngs): return nnx.Dropout(0.5, rngs=rngs)\n",
)


def helped(folder, *helpers):
    folder.mkdir()
    for name, text in zip(("model", "widths", "sites"), (HELPED, *helpers), strict=True):
        (folder / f"{name}.py").write_text(text)
    return source.read(f"{folder.name}/model.py:build")


def test_each_folder_has_modules_of_its_own_while_a_model_is_built_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    linear = "from flax import nnx\ndef site(n, rngs): return nnx.Linear(n, n, rngs=rngs)\n"
    first, second = helped(tmp_path / "a", *HELPERS), helped(tmp_path / "b", "WIDTH = 55\n", linear)
    path, modules = [*sys.path], {*sys.modules}
    for _ in range(2):
        assert isinstance(first.make(nnx.Rngs(0)), nnx.Dropout)
        assert second.make(nnx.Rngs(0)).kernel.shape == (55, 55)  # pyright: ignore
    assert sys.path == path
    assert not {"widths", "sites"} & {*sys.modules} - modules


def test_digests_are_of_all_that_a_model_imports_from_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = helped(tmp_path / "a", *HELPERS)
    assert {*found.files} == {"a/model.py", "a/widths.py"}
    found.make(nnx.Rngs(0))
    contents = {name: Path(name).read_bytes() for name in found.files}
    assert {*contents} == {"a/model.py", "a/widths.py", "a/sites.py"}
    assert found.files == manifest.sha256(contents)


def test_what_belongs_to_a_model_asks_for_one(here, capsys):
    assert run("--insert", "after:Linear") == 2
    assert "a --model for --sites, --insert or --loss mse; got none" in capsys.readouterr().err


def test_help_names_what_belongs_to_a_model(capsys):
    with pytest.raises(SystemExit):
        cli.main(["compare", "--help"])
    shown = capsys.readouterr().out
    assert all(f"--{option} " in shown for option in ("model", "sites", "insert", "loss"))


def arrays():
    images = np.random.default_rng(0).normal(size=(60, 2, 2))
    labels = np.arange(60) % 3
    return images, labels, images[:30], labels[:30]


def test_the_function_gives_what_the_command_does(here, capsys):
    settings = {"rates": (0.5,), "seeds": 2, "epochs": 2, "batch_size": 20}
    build = source.read("model.py:network").make
    answer = compare(build, arrays(), sites=["encoder.*"], **settings, quiet=True)
    assert capsys.readouterr() == ("", "")
    best = answer.rows[0]
    assert best.score.mean >= answer.rows[-1].score.mean
    assert {row.point for row in answer.rows} == {
        ("none", 0.0), *((name, 0.5) for name in (*SITES, "all", "encoder.*"))
    }  # fmt: skip
    numbers = answer.report.files()["results.csv"]
    assert numbers == (here / "run" / "results.csv").read_bytes()


class Holding(nnx.Module):
    """A site, and what each test adds."""

    def __init__(self, rngs, held=0, site=nnx.Dropout, outputs=3):
        self.linear = nnx.Linear(4, outputs, rngs=rngs)
        self.site, self.held, self.calls = site(0.5, rngs=rngs), held, 0

    def __call__(self, x):
        return self.site(self.linear(x.reshape(len(x), -1)))


class Counting(Holding):
    def __call__(self, x):
        self.calls += 1
        return super().__call__(x)


def holding(**options):
    return {"build": lambda rngs: Holding(rngs, **options)}


@pytest.mark.parametrize(("more", "message"), [
    (holding(held=nnx.Param(np.ones(3, int))), "floating-point .* nnx.Param .*; got int32 in held"),
    (holding(held=nnx.Param(np.ones(3, complex))), "nnx.Param .*; got complex.* in held"),
    (holding(held=nnx.Variable(jax.random.key(0))), "real numbers in the state .*; got key<"),
    ({"build": Counting}, "a model whose attributes no call changes"),
    (holding(site=GaussianDropout) | {"rates": (0.5, 1)}, "got at site: Expected a rate below 1"),
    (holding(outputs=4), r"shape \(20, 4\). The data are of 3 classes"),
    (holding(outputs=1), "shape .*For real targets pass --loss mse"),
    ({"train_size": 0}, "--train-size of 1 or more; got 0"),
    ({"data": arrays()[:3]}, "the arrays x_train, .*; got no y_test"),
    ({"loss": "hinge"}, "loss to be one of cross-entropy, mse; got 'hinge'"),
    ({"rates": (2,)}, r"rates in \[0, 1\]; got 2"),
    ({"build": names()["plain"]}, "a model with dropout sites"),
])  # fmt: skip
def test_the_function_refuses_what_the_command_does(more, message):
    with pytest.raises(InputError, match=message):
        compare(**{"build": names()["network"], "data": arrays(), "batch_size": 20, **more})


def test_the_function_lets_through_what_the_model_raises():
    def build(rngs):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        compare(build, arrays())


@pytest.mark.slow
def test_the_example_of_the_function_answers():
    example = doctest.DocTestFinder().find(compare, "compare", package)[0]
    assert len(example.examples) >= 8
    result = doctest.DocTestRunner().run(example)
    assert (result.failed, result.attempted) == (0, len(example.examples))
