"""What is published: the library alone, links that lead somewhere, masks by version."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import jaxdrop
from tests.jaxdrop.test_masks import GOLDEN

ROOT = Path(__file__).parents[1]
CHANGES = (ROOT / "jaxdrop" / "CHANGELOG.md").read_text()
README = (ROOT / "README.md").read_text()
BASE = "https://example.org/jaxdrop"
CASES = [(0.1, (3, 50), ()), (0.5, (4, 5, 3), (1,))]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist, by the backend alone."""
    pytest.importorskip("hatchling", reason="the test extra brings it")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(wheel.read(name).decode())


def test_both_hold_the_library_alone(built):
    with zipfile.ZipFile(built[0]) as wheel:
        roots = {name.partition("/")[0] for name in wheel.namelist()}
    assert roots == {"jaxdrop", f"jaxdrop-{jaxdrop.__version__}.dist-info"}
    with tarfile.open(built[1]) as sdist:
        paths = {Path(*Path(name).parts[1:]).as_posix() for name in sdist.getnames()}
    own = {path for path in paths if not path.startswith("jaxdrop/")}
    assert own == {
        *(".gitignore", ".ci/metadata.py", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml")
    }


def test_the_description_is_the_readme_with_links_that_lead_somewhere(metadata):
    described, links = metadata.get_payload(), re.compile(r"\]\(([^)]*)\)")
    code = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
    assert code.findall(described) == code.findall(README)
    found = links.findall(code.sub("", described))
    assert f"{BASE}/raw/main/experiments/differences.svg" in found
    assert f"{BASE}/blob/main/experiments/bench/NOTES.md" in found
    assert all(link.startswith(("https://", "#")) for link in found)
    assert re.sub(f"{BASE}/(raw|blob)/main/", "", described) == README


def test_whoever_looks_for_it_finds_it(metadata):
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL"))
    assert {"Homepage", "Changelog", "Issues"} <= urls.keys()
    assert all(url.startswith(BASE) for url in urls.values())
    assert {"dropout", "jax", "flax"} <= {*metadata["Keywords"].split(",")}
    assert "Typing :: Typed" in metadata.get_all("Classifier")


def test_the_address_stands_in_one_place():
    texts = [*(ROOT / ".ci").iterdir(), *(ROOT / "jaxdrop").rglob("*.md"), ROOT / "README.md"]
    assert (ROOT / "pyproject.toml").read_text().count(BASE) == 1
    assert not any(BASE in path.read_text() for path in texts)


def test_the_changes_say_which_masks_this_version_draws():
    rows = re.findall(r"^\| (\d\S*) \| (.*) \|$", CHANGES, re.MULTILINE)
    known = {version: cells.split(" | ") for version, cells in rows}
    drawn = [GOLDEN[bits, *case] for case in CASES for bits in (8, 16, 32)]
    assert known[jaxdrop.__version__] == drawn
    assert next(iter(known)) == jaxdrop.__version__
    assert f"## {jaxdrop.__version__}" in CHANGES
