"""Optax relies on the promotion that the rest of the tests forbid; tiny runs are trained once."""

import jax
import numpy as np
import pytest

from experiments import cli
from experiments.data.images import load
from experiments.runs import execute
from tests.experiments.tiny import ARGUMENTS

EPOCHS = 6
SMALL = [*ARGUMENTS, "--epochs", str(EPOCHS), "--placements", "input", "--rates", "0.5"]
SMALL += ["--seeds", "2"]


@pytest.fixture(autouse=True, scope="package")
def standard_promotion():
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(autouse=True)
def well_compiled():
    """A smoke run is compiled in a hurry; what comes after it in this process is not."""
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def trained(folder, *arguments):
    """The folder of a run, and what came out of its training."""
    histories, train = [], execute.train
    with pytest.MonkeyPatch.context() as patch, jax.numpy_dtype_promotion("standard"):
        patch.setattr(execute, "train", lambda *a: histories.append(train(*a)) or histories[-1])
        assert cli.main([*arguments, "--output", str(folder)]) == 0
    return folder, histories[0]


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    """A comparison, beside its data set; tests change copies."""
    folder = tmp_path_factory.mktemp("compared")
    save(folder / "set.npz")
    return trained(folder / "run", "compare", *SMALL, "--dataset", str(folder / "set.npz"))


@pytest.fixture(scope="session")
def studied(tmp_path_factory):
    """A study; tests change copies."""
    return trained(tmp_path_factory.mktemp("studied") / "where", "run", "where", "--smoke")


def save(path, scale=1.0):
    """The digits, so that what other comparisons of them compile fits."""
    arrays = load("digits", 60, 90)._asdict()
    np.savez(path, **arrays | {"x_train": scale * arrays["x_train"]})
