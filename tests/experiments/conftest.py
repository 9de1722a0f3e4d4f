"""Optax relies on the promotion that the rest of the tests forbid; finished runs are shared."""

import jax
import pytest

from experiments import cli
from tests.experiments.tiny import COMPARE

STANDARD = "standard"


@pytest.fixture(autouse=True, scope="package")
def standard_promotion():
    with jax.numpy_dtype_promotion(STANDARD):
        yield


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    """The folder of a finished comparison; whoever changes it takes a copy."""
    folder = tmp_path_factory.mktemp("compared") / "run"
    with jax.numpy_dtype_promotion(STANDARD):  # this is older than the package
        assert cli.main([*COMPARE, "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def studied(tmp_path_factory):
    """That of a finished study."""
    folder = tmp_path_factory.mktemp("studied") / "where"
    with jax.numpy_dtype_promotion(STANDARD):
        assert cli.main(["run", "where", "--smoke", "--output", str(folder)]) == 3
    return folder
