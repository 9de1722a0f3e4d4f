"""Optax relies on the promotion that the rest of the tests forbid."""

import jax
import pytest


@pytest.fixture(autouse=True, scope="package")
def standard_promotion():
    with jax.numpy_dtype_promotion("standard"):
        yield
