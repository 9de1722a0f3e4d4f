"""Whatever comes from outside: one message and a status, never a traceback or half a file."""

import copy
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from experiments import cli
from experiments.data import npz
from experiments.errors import InputError
from experiments.runs import checkpoint, execute, verify
from experiments.runs.folder import MANIFEST, UNFINISHED

EXAMPLES = int(os.environ.get("EXAMPLES", "10"))
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 2**31, 2**32, 2**63, 10**400])
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@pytest.fixture(params=["compared", "studied"])
def original(request):
    """A run, and what training it again gives."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def folder(original, tmp_path, monkeypatch):
    """A copy; to train it again takes no time."""
    path, history = original
    monkeypatch.setattr(execute, "train", lambda *_: history)
    return Path(shutil.copytree(path, tmp_path / "run"))


def contents(folder):
    return {str(path): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def places(tree, path=()):
    """Every place in a tree of JSON."""
    yield path
    lists = enumerate(tree) if isinstance(tree, list) else ()
    for name, branch in tree.items() if isinstance(tree, dict) else lists:
        yield from places(branch, (*path, name))


@st.composite
def changed(draw, tree):
    """The tree with one to three places replaced, removed or added to."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from([path for path in places(tree) if path]))
        parent = tree
        for name in path:
            parent = parent[name]
        what = draw(st.sampled_from(["replace", "remove", "add"]))
        if what == "replace":
            parent[last] = draw(JSON)
        elif what == "remove" and len(parent) > 1:
            del parent[last]
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=9))] = draw(JSON)
    return tree


def status_of(*arguments):
    try:
        return cli.main(list(map(str, arguments)))
    except SystemExit as stop:  # of the parser
        return stop.code


@bounded
@given(data=st.data())
def test_malformed_manifests(folder, original, data):
    manifest = json.loads((original[0] / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(data.draw(changed(manifest))))
    before = contents(folder)
    assert status_of("verify", folder) in (0, 1, 2, 3)
    assert contents(folder) == before


@bounded
@given(data=st.data())
def test_malformed_unfinished_runs(folder, original, data):
    manifest = json.loads((original[0] / MANIFEST).read_text())
    del manifest["outcomes"], manifest["sha256"], manifest["verdict"]
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / UNFINISHED).write_text(json.dumps(data.draw(changed(manifest))))
    before = contents(folder)
    status = status_of("resume", folder)
    assert status in (0, 2, 3)
    assert contents(folder) == before or status != 2


@bounded
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode()))
@pytest.mark.parametrize("name", [MANIFEST, UNFINISHED])
def test_what_is_no_manifest(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    assert status_of("verify" if name == MANIFEST else "resume", tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_deep_nesting(tmp_path):
    (tmp_path / MANIFEST).write_text("[" * 200_000)
    assert status_of("verify", tmp_path) == 2


def read(path, content):
    path.write_bytes(content)
    try:
        return npz.read(path)
    except InputError:
        return None


def saved(**arrays):
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


GOOD = {
    "x_train": np.ones((6, 4), "f4"),
    "y_train": np.arange(6) % 3,
    "x_test": np.ones((3, 4), "f4"),
    "y_test": np.arange(3),
}


@bounded
@given(content=st.binary(max_size=500))
def test_files_of_anything(tmp_path, content):
    assert read(tmp_path / "set.npz", content) is None


@bounded
@given(places=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=5))
def test_damaged_npz_files(tmp_path, places):
    content = bytearray(saved(**GOOD))
    for place, byte in places:
        content[place % len(content)] = byte
    read(tmp_path / "set.npz", content)


@bounded
@given(cut=st.integers(0))
def test_npz_files_that_are_cut_off(tmp_path, cut):
    content = saved(**GOOD)
    assert read(tmp_path / "set.npz", content[: cut % len(content)]) is None


ARRAYS = arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, min_side=0))


@bounded
@given(name=st.sampled_from(npz.NAMES), array=ARRAYS)
def test_npz_files_of_other_arrays(tmp_path, name, array):
    found = read(tmp_path / "set.npz", saved(**GOOD | {name: array}))
    assert found is None or all(np.isfinite(each).all() for each in found)


@bounded
@given(places=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=5))
def test_damaged_parts(tmp_path, places):
    """Whatever is read of one is what was written."""
    path = tmp_path / "part.npz"
    checkpoint.write(path, GOOD, "it")
    content = bytearray(path.read_bytes())
    for place, byte in places:
        content[place % len(content)] = byte
    path.write_bytes(content)
    found = checkpoint.read(path, "it")
    assert found is None or all(np.array_equal(found[name], GOOD[name]) for name in GOOD)


def test_an_array_that_claims_to_be_larger_than_memory(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (2**45,)}
    )
    content = io.BytesIO(saved(**{k: v for k, v in GOOD.items() if k != "x_test"}))
    with zipfile.ZipFile(content, "a") as file:
        file.writestr("x_test.npy", header.getvalue())
    assert read(tmp_path / "set.npz", content.getvalue()) is None


FLAGS = [
    *("--dataset", "--train-size", "--test-size", "--widths", "--activation", "--epochs"),
    *("--batch-size", "--learning-rate", "--weight-decay", "--placements", "--rates", "--seeds"),
    *("--seed", "--output", "--overwrite", "--chunk", "--checkpoint-every", "--coordinator"),
    *("--processes", "--process-id", "--distributed", "--help", "--no-overwrite", "compare"),
]
WORDS = st.sampled_from(["0", "1", "-1", "nan", "inf", "1e400", "digits", "relu", "input", "x.npz"])
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@bounded
@given(
    command=st.sampled_from(["compare", "verify", "resume", ""]),
    words=st.lists(st.sampled_from(FLAGS) | WORDS | ANY | NUMBERS.map(str), max_size=8),
)
def test_command_lines(tmp_path, command, words):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr("experiments.studies.compare.run.execute", lambda *_: None)
        patch.setattr("experiments.studies.compare.run.prepare", lambda *_: None)
        patch.setattr(jax.distributed, "initialize", refuse)
        assert status_of(command, *words) in (0, 2)
        assert list(tmp_path.iterdir()) == []


def refuse(*_, **__):
    raise RuntimeError("no such address")


def test_the_answers_are_right_where_nothing_is_malformed(folder, monkeypatch):
    """Or the tests above would pass for the wrong reason."""
    assert status_of("verify", folder) == 0
    monkeypatch.setattr(verify, "environment", lambda: pytest.fail("asked"))
    (folder / "results.csv").write_text("")
    assert status_of("verify", folder) == 1
