"""The arrows: bits <- masks <- operators <- {nnx, linen}; and what an import loads."""

import ast
import rlcompleter
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeGuard

import pytest

import jaxdrop

PACKAGE = Path(jaxdrop.__file__).parent
ADAPTERS = {"jaxdrop.nnx", "jaxdrop.linen"}
CHAIN = [("jaxdrop.masks", "jaxdrop.bits"), ("jaxdrop.dropout", "jaxdrop.masks")]
CHAIN += [("jaxdrop.linen.predict", "jaxdrop.montecarlo.sampling")]
CHAIN += [("jaxdrop.nnx.predict", "jaxdrop.montecarlo.sampling")]
CHAIN += [("jaxdrop.linen.catalogue", "jaxdrop"), ("jaxdrop.nnx.catalogue", "jaxdrop")]
ALLOWED = {"jaxdrop", "jax", "numpy", "jaxtyping", *sys.stdlib_module_names}
Graph = dict[str, set[str]]


def import_graph(package: Path) -> Graph:
    """What each module of the package imports, wherever in its file."""
    files = {_module_name(package, file): file for file in package.rglob("*.py")}
    return {
        name: {
            _resolve(imported, files) for imported in _imports(name, file.name, file.read_text())
        }
        for name, file in files.items()
    }


def _module_name(package: Path, file: Path) -> str:
    parts = [package.name, *file.relative_to(package).with_suffix("").parts]
    return ".".join(parts).removesuffix(".__init__")


@cache
def _imports(name: str, file: str, content: str) -> set[str]:
    found = set()
    for node in _walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = name if file == "__init__.py" else name.rpartition(".")[0]
            for _ in range(node.level - 1):
                base = base.rpartition(".")[0]
            origin = ".".join(filter(None, [base * bool(node.level), node.module]))
            found |= {f"{origin}.{alias.name}" for alias in node.names}
    return found


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only type checkers read."""
    yield tree
    nodes = tree.orelse if _is_for_type_checkers(tree) else ast.iter_child_nodes(tree)
    for node in nodes:
        yield from _walk(node)


def _is_for_type_checkers(node: ast.AST) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and ast.unparse(node.test).strip("_") == "TYPE_CHECKING"


def _resolve(imported: str, files: dict[str, Path]) -> str:
    """The module that is loaded for an imported name, which may be a thing inside it."""
    root = min(files)
    while imported not in files and imported.startswith(f"{root}."):
        imported = imported.rpartition(".")[0]
    return imported


def bent_arrows(graph: Graph) -> list[str]:
    """Every import that the design forbids, in words."""
    bent = [
        f"{above} does not import {below}" for above, below in CHAIN if below not in graph[above]
    ]
    for name, imported in graph.items():
        allowed = ALLOWED | ({"flax"} if _adapter(name) else set())
        roots = {target.partition(".")[0] for target in imported}
        bent += [f"{name} imports {root}" for root in sorted(roots - allowed)]
        others = {_adapter(target) for target in imported} - {_adapter(name), None}
        bent += [
            f"{name} imports the adapter {adapter}" for adapter in sorted(filter(None, others))
        ]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        bent.append(f"a cycle: {error.args[1]}")
    return bent


def _adapter(name: str) -> str | None:
    """The adapter that a module belongs to."""
    return next((a for a in ADAPTERS if name == a or name.startswith(f"{a}.")), None)


def test_arrows_hold():
    assert bent_arrows(import_graph(PACKAGE)) == []


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("bits", "from jaxdrop.masks import draw", "a cycle"),
        ("bits", "from .dropout import dropout", "a cycle"),
        ("masks", "def late():\n    import jaxdrop.dropout", "a cycle"),
        ("masks", "from jaxdrop import keep_mask", "a cycle"),
        ("dropout", "from jaxdrop import nnx", "jaxdrop.dropout imports the adapter jaxdrop.nnx"),
        ("__init__", "from . import linen", "jaxdrop imports the adapter jaxdrop.linen"),
        ("nnx/base", "import jaxdrop.linen", "jaxdrop.nnx.base imports the adapter jaxdrop.linen"),
        (
            "linen/sites",
            "from ..nnx import Dropout",
            "jaxdrop.linen.sites imports the adapter jaxdrop.nnx",
        ),
        ("checks", "import experiments.data", "jaxdrop.checks imports experiments"),
        ("nnx/base", "from experiments import data", "jaxdrop.nnx.base imports experiments"),
        ("lanes", "import optax", "jaxdrop.lanes imports optax"),
        ("flax_shared", "import flax.nnx", "jaxdrop.flax_shared imports flax"),
        ("montecarlo/sampling", "import flax", "jaxdrop.montecarlo.sampling imports flax"),
        (
            "montecarlo/streaming",
            "def late():\n    from flax import nnx",
            "jaxdrop.montecarlo.streaming imports flax",
        ),
        ("montecarlo/sampling", "import jaxdrop.nnx", "imports the adapter jaxdrop.nnx"),
        ("checks", "import jaxdrop.montecarlo.sampling", "a cycle"),
    ],
)
def test_a_bent_arrow_is_seen(tmp_path, file, line, message):
    package = tmp_path / "jaxdrop"
    shutil.copytree(PACKAGE, package)
    with (package / f"{file}.py").open("a") as source:
        source.write(f"\n\n{line}\n")
    assert any(message in bent for bent in bent_arrows(import_graph(package)))


def test_a_broken_chain_is_seen():
    graph = import_graph(PACKAGE)
    graph["jaxdrop.masks"].remove("jaxdrop.bits")
    assert bent_arrows(graph) == ["jaxdrop.masks does not import jaxdrop.bits"]


def loaded_by(statement: str) -> set[str]:
    """The packages that a fresh interpreter holds after the statement."""
    program = f"{statement}; import sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = [sys.executable, "-c", program]
    output = subprocess.run(run, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return set(output.stdout.split())


def test_the_package_and_its_listing_load_neither_flax_nor_optax():
    loaded = loaded_by("import jaxdrop; dir(jaxdrop); hasattr(jaxdrop, 'flax')")
    assert not {"flax", "optax", "orbax", "experiments"} & loaded


def test_a_loaded_package_is_seen():
    assert {"flax", "optax"} <= loaded_by("import jaxdrop, optax, flax")


PUBLIC = {
    *("alpha_dropout", "apply_mask", "attention_dropout", "classical_inference"),
    *("complementary_masks", "concrete_dropout", "concrete_regularizer", "derive", "drop_block"),
    *(
        "dot_product_attention",
        "drop_connect",
        "drop_path",
        "dropout",
        "embedding_dropout",
        "exact_dropout",
    ),
    *("feature_alpha_dropout", "gaussian_dropout", "gaussian_noise", "keep_mask", "linen"),
    *("locked_dropout", "montecarlo", "nnx", "r_drop_loss", "rates", "shard_key"),
    *("spatial_dropout", "targeted_dropout", "token_dropout", "zoneout", "zoneout_inference"),
}


def test_only_public_names_are_listed():
    assert set(dir(jaxdrop)) == PUBLIC
    for name in PUBLIC:
        assert getattr(jaxdrop, name).__name__ in (name, f"jaxdrop.{name}")


def test_tab_completes_public_names_alone():
    found, complete = [], rlcompleter.Completer({"jaxdrop": jaxdrop}).complete
    while (match := complete("jaxdrop.", len(found))) is not None:
        found.append(match.removeprefix("jaxdrop.").rstrip("("))
    assert set(found) == PUBLIC


@pytest.mark.parametrize(
    "statement",
    [
        "import jaxdrop; jaxdrop.nnx.Dropout; jaxdrop.linen.Dropout",
        "from jaxdrop import linen, nnx; linen.Dropout; nnx.Dropout",
        "import jaxdrop.nnx, jaxdrop.linen; jaxdrop.nnx.Dropout; jaxdrop.linen.Dropout",
    ],
)
def test_adapters_load_on_first_use(statement: str):
    assert "flax" in loaded_by(statement)


def test_a_misspelt_name_is_refused():
    with pytest.raises(
        AttributeError, match="module 'jaxdrop' has no attribute 'dropot'"
    ) as caught:
        jaxdrop.dropot  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("dropot", jaxdrop)  # what suggestions need


def test_the_version_is_that_of_the_distribution():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    assert jaxdrop.__version__ == project["version"]
