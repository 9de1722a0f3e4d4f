import json
import os
import shlex

import pytest

from experiments.errors import InputError
from experiments.runs import folder


def test_a_run_is_written_whole(tmp_path):
    folder.write(tmp_path / "a" / "b", {"results.csv": b"1\n"}, {"seed": 0})
    assert (tmp_path / "a" / "b" / "results.csv").read_bytes() == b"1\n"
    assert json.loads((tmp_path / "a" / "b" / "manifest.json").read_text()) == {"seed": 0}
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["manifest.json", "results.csv"]


@pytest.mark.parametrize("survives", [0, 1])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_run_that_fails_half_way_leaves_whole_files_and_no_manifest(
    tmp_path, monkeypatch, survives, error
):
    files = {"results.csv": b"new\n", "curves.svg": b"new"}
    folder.write(tmp_path, {name: b"old" for name in files}, {})
    replace, calls = os.replace, []

    def fail(*paths):
        calls.append(paths)
        if len(calls) > survives:
            raise error
        replace(*paths)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((InputError, KeyboardInterrupt)):
        folder.write(tmp_path, files, {})
    assert sorted(os.listdir(tmp_path)) == ["curves.svg", "results.csv"]
    for name, content in files.items():
        assert (tmp_path / name).read_bytes() in (b"old", content)


def test_only_a_folder_with_a_manifest_is_a_run(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    folder.check_folder(tmp_path, overwrite=False)
    folder.write(tmp_path, {}, {})
    with pytest.raises(InputError, match="--overwrite"):
        folder.check_folder(tmp_path, overwrite=False)
    folder.check_folder(tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["config.json", "results.csv", "curves.svg", "RESULTS.md"])
def test_files_of_others_are_not_written_over_unasked(tmp_path, name):
    (tmp_path / name).write_text("mine")
    (tmp_path / "data.npz").write_text("mine")
    with pytest.raises(InputError, match=f"no other files; got {name}. Pass --overwrite"):
        folder.check_folder(tmp_path, overwrite=False)
    folder.check_folder(tmp_path, overwrite=True)
    (tmp_path / "manifest.json").write_text(manifest(True))
    folder.check_folder(tmp_path, overwrite=False)


def test_what_goes_on_with_a_run_can_be_pasted(tmp_path):
    words = shlex.split(folder.how_to_resume(tmp_path / "my run"))
    assert words == ["python", "-m", "experiments", "resume", str(tmp_path / "my run")]


def test_the_check_leaves_no_trace(tmp_path):
    folder.check_folder(tmp_path / "a" / "b", overwrite=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["file", "file/run", "/proc/run", "/dev/null/run", "x" * 300])
def test_a_folder_that_cannot_be_written_is_found_before_any_work(tmp_path, path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--output"):
        folder.check_folder(tmp_path / path, overwrite=True)


def test_a_run_that_is_replaced_leaves_nothing_behind(tmp_path):
    folder.write(
        tmp_path, {"old.csv": b"1", "both.csv": b"1"}, {"sha256": {"old.csv": "", "both.csv": ""}}
    )
    (tmp_path / "theirs.txt").write_text("x")
    folder.write(tmp_path, {"both.csv": b"2"}, {"sha256": {"both.csv": ""}})
    assert {path.name for path in tmp_path.iterdir()} == {"both.csv", "manifest.json", "theirs.txt"}


def test_no_link_is_followed_by_what_is_written(tmp_path):
    (tmp_path / "victim").write_text("x")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".a.csv.draft").symlink_to(tmp_path / "victim")
    (tmp_path / "run" / "b.csv").symlink_to(tmp_path / "victim")
    (tmp_path / "run" / "manifest.json").write_text('{"sha256": {"../victim": "", "x\\u0000": ""}}')
    folder.write(tmp_path / "run", {"a.csv": b"1", "b.csv": b"1"}, {})
    assert (tmp_path / "victim").read_text() == "x"
    assert (tmp_path / "run" / "a.csv").read_text() == "1"


def manifest(smoke):
    return json.dumps({"config": {"smoke": smoke}, "environment": {"python": "3"}, "sha256": {}})


@pytest.mark.parametrize("name", ["manifest.json", "unfinished.json"])
@pytest.mark.parametrize(("content", "free"), [
    (manifest(True), True), (manifest(False), False), (manifest("yes"), False), ("{", False),
    ('{"config": {"smoke": true}}', False), ('{"config": null}', False), ("[]", False),
])  # fmt: skip
def test_a_smoke_run_is_replaced_unasked_and_no_other(tmp_path, name, content, free):
    (tmp_path / name).write_text(content)
    if free:
        folder.check_free(tmp_path, overwrite=False)
    else:
        with pytest.raises(InputError, match="--overwrite"):
            folder.check_free(tmp_path, overwrite=False)


def test_a_smoke_run_beside_a_begun_one_is_not_replaced(tmp_path):
    (tmp_path / "manifest.json").write_text(manifest(True))
    (tmp_path / "unfinished.json").write_text(manifest(False))
    with pytest.raises(InputError, match="--overwrite"):
        folder.check_free(tmp_path, overwrite=False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_smoke_run_that_somebody_works_on_is_not_replaced(tmp_path, overwrite):
    (tmp_path / "unfinished.json").write_text(manifest(True))
    with folder.locked(tmp_path), pytest.raises(InputError, match="another process"):
        folder.check_folder(tmp_path, overwrite)
    folder.check_folder(tmp_path, overwrite)
    assert os.listdir(tmp_path) == ["unfinished.json"]
