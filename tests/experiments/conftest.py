"""Optax relies on the promotion that the rest of the tests forbid; tiny runs are trained once."""

import jax
import numpy as np
import pytest

from experiments import cli
from experiments.runs import execute
from tests.experiments.tiny import ARGUMENTS

SMALL = [*ARGUMENTS, "--placements", "input", "--rates", "0.5", "--seeds", "2"]


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
    labels = np.arange(90) % 3
    images = np.random.default_rng(0).normal(size=(90, 4)) * scale
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(path, **arrays)
