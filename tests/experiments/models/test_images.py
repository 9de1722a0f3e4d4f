"""The image models: their sites, their shapes, and batch norm."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from experiments.errors import InputError
from experiments.models import Convolutional, Drop, Residual, Vgg
from tests.experiments import sites
from tests.experiments.sites import KEY, drop_at

SMALL, MNIST = (8, 8, 1), (28, 28, 1)
MODELS = {
    "global": Convolutional(SMALL, 10, (4, 6), global_pool=True, kernel=5),
    "pooled": Convolutional(SMALL, 10, (4, 6), (True, False), (12,), norm=True),
    "vgg": Vgg(SMALL, 10, ((2, 4), (1, 6)), (12,), 5, 2),
    "residual": Residual(SMALL, 10, (4, 6)),
    "dense head": Residual(SMALL, 10, (4, 6), "dense", 12, norm=False, stride=2),
}
of_each = pytest.mark.parametrize("name", MODELS)
X = np.random.default_rng(0).normal(size=(2, 3, 64)).astype(np.float32)


@functools.cache
def model_of(name):
    return MODELS[name].build(jax.random.key(0))


@functools.cache
def plain(name):
    return sites.plain(MODELS[name], model_of(name))


@functools.cache
def logits_of(name):
    return sites.every_site(MODELS[name], model_of(name), X)


def logged(name, *on):
    return sites.logged(MODELS[name], model_of(name), X, *on)


@of_each
def test_every_site_drops(name):
    none, *each = logits_of(name)
    assert all((logits != none).any() for logits in each)
    assert len({logits.tobytes() for logits in each}) == len(each)


@of_each
def test_rate_zero_is_the_model_without_a_key(name):
    np.testing.assert_allclose(logits_of(name)[0], plain(name)(X), rtol=1e-5, atol=1e-6)


@of_each
def test_a_single_image_gives_its_row_of_the_batch(name):
    run = plain(name)
    whole = run(X)
    assert whole.shape == (2, 3, 10)
    np.testing.assert_allclose(run(X[1, 2]), whole[1, 2], rtol=1e-4, atol=1e-5)


@of_each
def test_sites_are_in_the_order_of_depth(name):
    assert tuple(dict.fromkeys(site for site, *_ in logged(name))) == MODELS[name].sites


@of_each
def test_only_weights_and_moments_are_held(name):
    held = nnx.state(model_of(name))
    known = nnx.state(model_of(name), (nnx.Param, nnx.BatchStat))
    assert len(jax.tree.leaves(held)) == len(jax.tree.leaves(known))


@pytest.mark.parametrize("model", [Convolutional, Vgg, Residual])
def test_defaults_take_images_of_mnist(model):
    architecture = model(MNIST, 10)
    run = lambda x: architecture.build(KEY)(x, Drop(architecture.sites))  # noqa: E731
    assert nnx.eval_shape(run, jax.ShapeDtypeStruct((2, 784), jnp.float32)).shape == (2, 10)
    assert nnx.eval_shape(run, architecture.example()).shape == (10,)


@pytest.mark.parametrize("name", ["pooled", "vgg"])
def test_spatial_sites_drop_whole_maps_and_element_sites_do_not(name):
    maps = [site for site in MODELS[name].sites if site.endswith((".element", ".spatial"))]
    for site, before, after in logged(name, *maps):
        alive = (before != 0).sum((1, 2))
        gone = ((before != 0) & (after == 0)).sum((1, 2))
        assert gone.any()
        assert ((gone == 0) | (gone == alive)).all() == site.endswith("spatial")


def test_paths_are_dropped_by_example():
    [(_, before, after)] = logged("residual", "branch2.path")
    kept = (after != 0).any((1, 2, 3))
    assert 0 < kept.sum() < len(kept) == 6
    np.testing.assert_allclose(after[kept], 2 * before[kept], rtol=1e-6)


@pytest.mark.parametrize("site", ["before_norm1", "after_norm1"])
def test_both_places_around_norms_drop_by_masks_of_their_own(site):
    first, second = ((before != 0) & (after == 0) for _, before, after in logged("residual", site))
    assert 0.1 < (first & second).sum() / first.sum() < 0.6


def test_parameters_are_those_counted_by_hand():
    plain = (9 + 1) * 16 + (9 * 16 + 1) * 32
    assert Convolutional(SMALL, 10).parameters == plain + (64 * 32 + 1) * 10
    assert Convolutional(MNIST, 10).parameters == plain + (784 * 32 + 1) * 10
    pool = Convolutional(MNIST, 10, (16,), True)
    assert pool.parameters == (9 + 1) * 16 + (14 * 14 * 16 + 1) * 10
    halved = Convolutional(MNIST, 10, stride=2)
    assert halved.parameters == plain + (14 * 14 * 32 + 1) * 10


def test_more_pooling_than_there_is_map_is_refused():
    with pytest.raises(InputError, match="8x8x1"):
        _ = Convolutional(SMALL, 10, (2,) * 4, True).parameters


def test_the_published_vgg16_ends_as_published():
    architecture = Vgg.vgg16()
    model = nnx.eval_shape(lambda: architecture.build(KEY))
    kernels = [layer.kernel.shape for layer in (*model.dense.hidden, model.dense.last)]
    assert kernels == [(25088, 4096), (4096, 4096), (4096, 1000)]
    assert architecture.parameters == 138_357_544
    run = lambda x: architecture.build(KEY)(x, Drop(architecture.sites))  # noqa: E731
    assert nnx.eval_shape(run, architecture.example()).shape == (1000,)


@pytest.mark.slow
def test_the_published_vgg16_takes_a_step():
    architecture = Vgg.vgg16()
    model, sites = architecture.build(KEY), architecture.sites
    optimizer = nnx.Optimizer(model, optax.adam(1e-4), wrt=nnx.Param)
    x = jax.random.normal(KEY, (1, 224 * 224 * 3))
    drop = drop_at(sites, "dense1", "dense2", training=True)

    @nnx.jit
    def step(model, optimizer):
        loss, gradients = nnx.value_and_grad(lambda model: -model(x, drop)[0, 7])(model)
        optimizer.update(model, gradients)
        return loss

    before, after = step(model, optimizer), step(model, optimizer)
    assert np.isfinite(after)
    assert after < before
