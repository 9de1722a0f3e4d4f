"""What a run of a study writes, and what is found where that was changed."""

import csv
import hashlib
import io
import json
from types import SimpleNamespace

import pytest

from experiments import cli
from experiments.report.report import Report
from experiments.studies import DESIGNED
from experiments.studies.settings import Settings
from tests.experiments.report.test_page import checked, looked_at

SMOKE = Settings(smoke=True).used


@pytest.fixture
def run(studied):
    return studied[0]


def test_a_run_folder_explains_itself(run):
    names = {path.name for path in run.iterdir()}
    tables = {"results.csv", "history.csv", "contrasts.csv", "config.json", "verdict.json"}
    pages = {"report.html", "contrasts.svg", "arms.svg", "curves.svg", "manifest.json"}
    assert names == tables | pages
    rows = list(csv.DictReader(io.StringIO((run / "results.csv").read_text())))
    assert len(rows) == 5 * SMOKE.seeds
    assert {row["arm"] for row in rows} >= {"none", "input and hidden"}
    concluded = json.loads((run / "verdict.json").read_text())
    assert concluded["study"] == "where"
    assert concluded["verdict"] == "open"
    page = (run / "report.html").read_text()
    assert concluded["claim"][1:] in page
    assert "<h1>SMOKE" in page
    assert "run where --smoke" in page
    history = (run / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 5 * SMOKE.seeds * SMOKE.epochs


def as_result(run, folder):
    """A copy that says that it is no smoke run."""
    copied(run, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["config"]["smoke"] = False
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def atlas_of(folder, output):
    """Of all that a folder holds, as a shell spells it out."""
    return cli.main(["report", *map(str, sorted(folder.iterdir())), "--output", str(output)])


def test_an_atlas_has_a_line_for_each_run(run, tmp_path, capsys):
    run = as_result(run, tmp_path / "where")
    assert atlas_of(tmp_path, tmp_path / "atlas") == 0
    assert "where" in capsys.readouterr().out
    markdown = (tmp_path / "atlas" / "RESULTS.md").read_text()
    lines = markdown.splitlines()
    assert lines[0] == "# Dropout: what is claimed, and what came out"
    assert lines[6].startswith("| `where` | dropout on only")
    assert "| **open** | all hidden layers over the last alone: " in lines[6]
    assert lines[6].endswith(" points | digits | 2 |")
    assert "<details>\n<summary><code>where</code>: open</summary>" in markdown
    assert "**All arms**\n\n| case | arm | test accuracy" in markdown
    page = (tmp_path / "atlas" / "report.html").read_text()
    assert "1 run: 1 open." in page
    assert "--until-decided" not in page + markdown
    assert '<td data-name="what came out">• all hidden layers over the input alone ' in page
    assert "\n• all hidden layers over the last alone " in page
    link = page.split('<a href="')[1].split('"')[0]
    assert (tmp_path / "atlas" / link).resolve() == (run / "report.html").resolve()


def test_an_atlas_says_how_many_runs_went_on_until_they_were_decided(run, tmp_path):
    def worded(folder, verdict):
        command = verdict["command"] + " --until-decided" * (folder == "where")
        copy = as_result(run, tmp_path / folder)
        rewritten(copy, "verdict.json", lambda _: json.dumps(verdict | {"command": command}))

    verdict = json.loads((run / "verdict.json").read_text())
    for folder in ("where", "again"):
        worded(folder, verdict)
    assert atlas_of(tmp_path, tmp_path / "atlas") == 0
    markdown = (tmp_path / "atlas" / "RESULTS.md").read_text()
    assert "2 runs: 2 open. 1 with `--until-decided`: seeds are added until " in markdown
    assert "1 with --until-decided: " in (tmp_path / "atlas" / "report.html").read_text()


def test_results_are_published_over_no_file_but_one_of_their_own(run, tmp_path, capsys):
    run, mine = as_result(run, tmp_path / "where"), tmp_path / "README.md"
    mine.write_text("# Mine")

    def status(path):
        words = ["report", str(run), "--output", str(tmp_path / "atlas"), "--markdown", str(path)]
        return cli.main(words)

    assert status(mine) == 2
    assert mine.read_text() == "# Mine"
    said = f"a new file, or such a page; got {mine}, which is not. Choose another --markdown."
    assert said in capsys.readouterr().err
    assert status(tmp_path / "RESULTS.md") == status(tmp_path / "RESULTS.md") == 0
    written = (tmp_path / "atlas" / "RESULTS.md").read_text()
    assert (tmp_path / "RESULTS.md").read_text() == written


def test_an_atlas_skips_what_concludes_nothing_and_is_made_again(run, tmp_path, capsys):
    as_result(run, tmp_path / "where")
    copied(run, tmp_path / "where-smoke")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "unfinished.json").write_text("{}")
    (tmp_path / "note.txt").write_text("mine")
    assert atlas_of(tmp_path, tmp_path / "atlas") == 0
    first = (tmp_path / "atlas" / "report.html").read_bytes()
    capsys.readouterr()
    assert atlas_of(tmp_path, tmp_path / "atlas") == 0
    assert (tmp_path / "atlas" / "report.html").read_bytes() == first
    said = capsys.readouterr().out
    assert [said.count(f"Skipped {tmp_path / name}: ") for name in REASONS] == [1] * len(REASONS)
    assert all(reason in said for reason in REASONS.values())
    assert f"Skipped {tmp_path / 'where'}:" not in said


REASONS = {
    "atlas": "it concludes nothing",
    "begun": "unfinished (python -m experiments resume",
    "note.txt": "no run",
    "where-smoke": "a smoke run",
}


def test_an_atlas_replaces_no_run_but_one_of_its_own(run, tmp_path, capsys):
    as_result(run, tmp_path / "where")
    assert atlas_of(tmp_path, tmp_path / "where") == 2
    assert "--overwrite" in capsys.readouterr().err


def test_an_atlas_refuses_what_was_changed(run, tmp_path, capsys):
    def said(*folders):
        status = cli.main(["report", *map(str, folders), "--output", str(tmp_path / "atlas")])
        assert status == 2
        assert not (tmp_path / "atlas").exists()
        return " ".join(capsys.readouterr().err.split())

    assert "at least one run folder" in said()
    assert "a run that concludes something" in said(tmp_path, run)
    copy = as_result(run, tmp_path / "copy")
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


@pytest.mark.parametrize(("name", "fix"), [
    ("wherre", "Did you mean where?"),
    ("stochastic-dpth", "Did you mean stochastic-depth?"),
    ("nonsense", "They are named by python -m experiments list."),
])  # fmt: skip
def test_a_misspelt_study_is_one_line(name, fix, capsys):
    assert cli.main(["run", name, "--smoke"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said == [f"error: Expected the name of a study, or all; got {name!r}. {fix}"]


def test_a_smoke_run_has_sizes_of_its_own_whatever_is_asked_for():
    assert Settings(smoke=True, train_size=5, epochs=9).used == SMOKE


@pytest.mark.parametrize("smoke", [True, False])
def test_a_smoke_run_says_so_where_it_is_read(smoke, capsys):
    found = "Best: the longest of all sentences, " + "which is no result, " * 9
    said = SimpleNamespace(
        screens=[], lines=["What was run."], width=80, is_smoke=smoke, finding=found
    )
    Report.show(said, "Written to runs/x")  # pyright: ignore
    told = ["SMOKE, which is no result."] * smoke
    lines = ["What was run.", *told, "Written to runs/x", found, ""]
    assert capsys.readouterr().out.split("\n") == lines


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNED)
def test_every_study_runs_in_its_smallest_version(name, tmp_path):
    assert cli.main(["run", name, "--smoke", "--output", str(tmp_path / "run")]) == 0


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
    words = [word for name, value in changes.items() for word in (f"--{name}", str(value))]
    manifest["command"][2:2] = words
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
    assert (seen["errors"], seen["console"], seen["overlaps"]) == ([], [], [])
    assert (seen["spill"] <= 0, seen["scrolled"]) == (True, [])


@pytest.mark.parametrize("width", [400, 1400])
def test_the_pages_of_a_study_and_of_many_are_accessible_and_hold_their_words(run, tmp_path, width):
    assert checked((run / "report.html").read_text(), width, tmp_path) == []
    study = as_result(run, tmp_path / "where")
    assert cli.main(["report", str(study), "--output", str(tmp_path / "atlas")]) == 0
    atlas = (tmp_path / "atlas" / "report.html").read_text()
    assert checked(atlas, width, tmp_path) == []
    seen = looked_at(atlas, width, tmp_path)
    assert (seen["errors"], seen["console"], seen["overlaps"]) == ([], [], [])
    assert seen["spill"] <= 0  # less by a scroll bar, if the page is long
    assert seen["scrolled"] == []
