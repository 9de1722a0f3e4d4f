"""cli -> studies, bench -> runs -> report -> training -> models, data -> errors, words."""

import shutil
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import experiments
import jaxdrop
from tests.jaxdrop.test_imports import Graph, import_graph

PACKAGE = Path(experiments.__file__).parent
STOREYS = (
    ("errors", "words"),
    ("models", "data"),
    ("training",),
    ("report",),
    ("runs",),
    ("studies", "bench"),
    ("cli",),
    ("__main__",),
)
STOREY = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}
ENTRIES, LONGEST = 12, 10


def bent_arrows(graph: Graph) -> list[str]:
    """Every import that the design forbids, in words."""
    bent = [
        f"{name} imports {imported}"
        for name, there in graph.items()
        for imported in sorted(there)
        if not (_within(name, imported) if _room(imported) else _public(imported))
    ]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        bent.append(f"a circle: {error.args[1]}")
    return bent


def _room(name: str) -> str:
    """The room of a module of experiments: a folder, or a file beside them."""
    root, _, rest = name.partition(".")
    return rest.partition(".")[0] if root == "experiments" else ""


def _within(name: str, imported: str) -> bool:
    here, there = _room(name), _room(imported)
    return here == there or STOREY[there] < STOREY[here]


def _public(imported: str) -> bool:
    root, *rest = imported.split(".")
    return root != "jaxdrop" or rest == [] or rest[0] in dir(jaxdrop)


def rooms(graph: Graph) -> Graph:
    """What each room imports of the others."""
    found: Graph = {}
    for name, there in graph.items():
        others = {room for room in map(_room, there) if room} - {_room(name)}
        found.setdefault(_room(name), set()).update(others)
    return found


def longest_chain(graph: Graph) -> int:
    """Rooms one above the other, at most."""

    @cache
    def height(room: str) -> int:
        return 1 + max(map(height, graph[room]), default=0)

    return max(map(height, graph))


def entries(package: Path) -> list[str]:
    """What stands in the root, documents and pictures aside."""
    aside = (".md", ".png", ".svg")
    names = (path.name for path in package.iterdir() if path.suffix not in aside)
    return sorted(name for name in names if name != "__pycache__")


@cache
def whole_graph() -> Graph:
    return import_graph(PACKAGE)


def test_arrows_hold():
    graph = whole_graph()
    assert bent_arrows(graph) == []
    for above, below in zip(STOREYS[1:], STOREYS, strict=False):
        assert all({*below} & rooms(graph)[room] for room in above)


def test_the_house_is_small():
    assert len(entries(PACKAGE)) <= ENTRIES, entries(PACKAGE)
    assert longest_chain(rooms(whole_graph())) <= LONGEST


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("errors", "import experiments.data.images", "errors imports experiments.data.images"),
        ("data/npz", "from experiments import models", "data.npz imports experiments.models"),
        ("models/base", "from experiments.data import npz", "base imports experiments.data.npz"),
        ("training/keys", "from experiments.report import table", "experiments.report.table"),
        ("report/table", "def late():\n    import experiments.runs.folder", "runs.folder"),
        ("runs/folder", "import experiments.studies.design", "imports experiments.studies.design"),
        ("studies/design", "from experiments.bench import run", "imports experiments.bench.run"),
        ("bench/run", "import experiments.studies.design", "imports experiments.studies.design"),
        ("studies/design", "import experiments.cli", "design imports experiments.cli"),
        ("studies/design", "import experiments.studies.results", "a circle"),
        ("models/base", "import jaxdrop.bits", "models.base imports jaxdrop.bits"),
    ],
)  # fmt: skip
def test_a_bent_arrow_is_seen(tmp_path, file, line, message):
    package = tmp_path / "experiments"
    shutil.copytree(PACKAGE, package, copy_function=lambda _, path: Path(path).touch())
    (package / f"{file}.py").write_text(f"\n\n{line}\n")
    more = import_graph(package)
    graph = {name: there | more[name] for name, there in whole_graph().items()}
    assert any(message in bent for bent in bent_arrows(graph))


def test_a_crowd_and_a_long_chain_are_seen(tmp_path):
    for name in ("a.py", "b", "note.md", "picture.svg", "__pycache__"):
        (tmp_path / name).mkdir()
    assert entries(tmp_path) == ["a.py", "b"]
    assert longest_chain({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == 3
