"""A reader's model drops where ours would: at the rates and by the keys that training hands it."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.nnx.nn import stochastic

import jaxdrop
from experiments.errors import InputError
from experiments.models import Drop
from experiments.models.own import CALLS, Own
from jaxdrop.nnx import (
    ConcreteDropout,
    DotProductAttention,
    Dropout,
    GaussianNoise,
    in_attention,
)
from tests.experiments.own import SITES, Dropping, Layers, key, names

X: Any = np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float32)
OWN = Own(names()["Network"], (2, 2))


def trained(own: Own, x: Any = X, rate: Any = 0.5, *on: str):
    """Outputs and other state of a step with these sites on; all of them if none is named."""
    rates = np.array([rate * (not on or site in on) for site in own.sites], np.float32)

    return jax.tree.map(np.asarray, step(own, rates, x))


@partial(jax.jit, static_argnums=0)
def step(own: Own, rates, x):
    model = own.build(key(0))
    outputs = model(x, Drop(own.sites, rates, key(1), training=True))
    return outputs, rest_of(model)


def rest_of(model):
    return nnx.state(model, nnx.Not(nnx.Param))


@jax.jit
def fresh():
    return rest_of(OWN.build(key(0)))


@jax.jit
def used():
    model = OWN.build(key(0))
    return model(X, Drop(SITES, jnp.full(3, 0.5))), model(X[2], Drop(SITES)), rest_of(model)


def test_sites_are_paths_and_a_shared_layer_is_one():
    assert OWN.sites == SITES
    assert OWN.parameters == (4 * 6 + 6) + 2 * (6 * 6 + 6 + 12) + (6 * 3 + 3)


def test_every_site_drops_alone_and_none_at_rate_0():
    none, *alone = np.asarray(every_arm(OWN, np.array([[0, 0, 0], *np.eye(3) / 2], np.float32)))
    assert all((each != none).any() for each in alone)
    batch: Any = names()["Network"](rngs=nnx.Rngs(key(0)))
    batch.set_attributes(nnx.Dropout, deterministic=True)
    np.testing.assert_allclose(none, batch(X), rtol=1e-5, atol=1e-6)


def every_arm(own, rates):
    """Outputs of a step, an arm a row of rates, by one program."""
    model = lambda rates: own.build(key(0))(X, Drop(own.sites, rates, key(1), training=True))  # noqa: E731
    return jax.jit(jax.vmap(model))(rates)


@pytest.mark.parametrize("axes", [(), (0,)])
def test_a_site_of_flax_draws_as_ours_do_at_16_bits(axes):
    own = Own(lambda rngs: Dropping(nnx.Dropout(0.3, broadcast_dims=axes, rngs=rngs)), (4, 4))
    x: Any = np.random.default_rng(3).normal(size=(6, 4, 4)).astype(np.float32)
    drop = partial(jaxdrop.dropout, broadcast_dims=axes, bits=16)
    expected = drop(jax.random.fold_in(key(1), 0), x, np.float32(0.3))
    outputs = trained(own, x, 0.3)[0]
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)
    mask = jaxdrop.keep_mask(jax.random.fold_in(key(1), 0), 0.3, own.draws(6)[0])  # as digested
    np.testing.assert_array_equal(outputs != 0, np.broadcast_to(mask, x.shape))


def test_our_own_sites_stay_what_they_are():
    own = Own(lambda rngs: Dropping(jaxdrop.nnx.DropPath(0.3, rngs=rngs)), (4, 4))
    x: Any = np.random.default_rng(3).normal(size=(6, 4, 4)).astype(np.float32)
    expected = jaxdrop.drop_path(jax.random.fold_in(key(1), 0), x, np.float32(0.5))
    np.testing.assert_array_equal(trained(own, x)[0], expected)


def test_a_site_that_is_called_again_draws_again():
    def build(rngs):
        twice = Dropout(0.5, rngs=rngs)
        return Dropping(twice, twice)

    own, ones = Own(build, (64,)), np.ones((4, 64), np.float32)
    assert own.sites == ("first",)
    kept = (trained(own, ones)[0] != 0).mean()
    assert 0.1 < kept < 0.4  # 0.25; of 256 beyond 5 standard deviations: 1e-6


def test_statistics_are_learnt_in_training_and_nothing_of_a_step_stays():
    before, after = jax.tree.map(np.asarray, fresh()), trained(OWN)[1]
    moved = nnx.to_flat_state(jax.tree.map(lambda a, b: (a != b).any(), before, after))
    assert {path[-1] for path, value in moved if value[...]} == {"mean", "var"}
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == np.asarray(b)).all(), before, used()[2]))


def test_one_example_is_as_in_a_batch():
    whole, alone, _ = used()
    np.testing.assert_allclose(alone, np.asarray(whole)[2], rtol=1e-5)


def test_digests_are_of_the_draws_that_are_made(monkeypatch):
    shapes, drawn = OWN.draws(5), {}
    assert list(shapes) == [0, CALLS, 2 * CALLS]
    operation = Dropout._operation
    monkeypatch.setattr(Dropout, "_operation", operation._replace(
        operator=lambda k, x, *_, **__: drawn.setdefault(jax.random.key_data(k).tobytes(), x.shape)
        and x
    ))  # fmt: skip
    model = OWN.build(key(0))
    with jax.disable_jit():
        model(X, Drop(SITES, jnp.full(3, 0.5), key(1), training=True))
    numbers = [0, CALLS, CALLS + 1, 2 * CALLS]
    keys = [jax.random.key_data(jax.random.fold_in(key(1), n)).tobytes() for n in numbers]
    assert list(drawn) == keys
    assert [drawn[k] for k in (keys[0], keys[1], keys[3])] == [(5, 6)] * 3
    assert list(shapes.values()) == [(5, 6), (5, 6), (1, 6)]


def test_stacked_layers_have_masks_of_their_own():
    own = Own(Layers, (4,))
    assert own.sites == ("layers.site",)
    assert list(own.draws(5).values()) == [(5, 4)]
    model = own.build(key(0))
    layers: Any = model.model
    layers.layers.first.kernel.set_value(jnp.tile(jnp.eye(4), (3, 1, 1)))
    layers.layers.first.bias.set_value(jnp.zeros((3, 4)))
    ones = jnp.ones((200, 4))
    out = model(ones, Drop(own.sites, jnp.float32([0.5]), key(1), training=True))
    kept = float((out != 0).mean())
    assert 0.06 < kept < 0.19  # an eighth; one mask for all would keep half; beyond 5 sigma: 1e-6
    assert out.max() == pytest.approx(8, rel=1e-3)


def test_streams_that_are_not_of_sites_move_on_too():
    class Noisy(nnx.Module):
        def __init__(self, rngs):
            self.rngs, self.dropout = rngs, nnx.Dropout(0.5, rngs=rngs)

        def __call__(self, x):
            return self.dropout(x) * 0 + jax.random.normal(self.rngs.noise(), x.shape)

    own = Own(Noisy, (4,))
    model, x = own.build(key(0)), jnp.ones((3, 4))
    noise = [model(x, Drop(own.sites, None, key(n), training=True)) for n in (1, 1, 2)]
    np.testing.assert_array_equal(noise[0], noise[1])
    assert (noise[0] != noise[2]).all()


def test_what_is_sown_is_not_carried():
    class Sowing(Dropping):
        def __call__(self, x):
            self.seen = nnx.Intermediate(x)
            return super().__call__(x)

    own = Own(lambda rngs: Sowing(nnx.Dropout(0.5, rngs=rngs)), (4,))
    state = nnx.state(own.build(key(0)), nnx.Not(nnx.Param))
    assert jax.tree.structure(trained(own, jnp.ones((2, 4)))[1]) == jax.tree.structure(state)


def test_convolutions_are_those_of_flax():
    def build(rngs):
        conv = nnx.Conv(2, 3, (3, 3), strides=2, rngs=rngs)
        return Dropping(nnx.Dropout(0.5, rngs=rngs), conv)

    own, x = Own(build, (5, 5, 2)), jax.random.normal(key(3), (2, 5, 5, 2))
    model: Any = build(nnx.Rngs(key(0)))
    model.eval()
    np.testing.assert_allclose(own.build(key(0))(x, Drop(own.sites)), model(x), atol=1e-5)


def attending(rngs, **options):
    layer = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs, **options)
    return Dropping(Dropout(0.1, rngs=rngs), layer)


def test_attention_takes_rates_where_its_function_does():
    def build(rngs):
        return attending(rngs, attention_fn=DotProductAttention(0.1, rngs=rngs))

    static = lambda rngs: attending(rngs, dropout_rate=0.1, deterministic=False)  # noqa: E731
    x = jax.random.normal(key(3), (2, 5, 8))
    for own in (Own(build, (5, 8)), Own(static, (5, 8), rules=(in_attention(0.5),))):
        assert own.sites == ("first.attention_fn", "site")
        assert len(own.draws(2)) == 2
        none = trained(own, x, 0.0)[0]
        assert (trained(own, x, 0.5, "first.attention_fn")[0] != none).any()


class Doubled(nnx.Dropout):
    def __call__(self, x, **keywords):
        return 2 * super().__call__(x, **keywords)


@pytest.mark.parametrize(("build", "message"), [
    (lambda rngs: nnx.Linear(4, 3, rngs=rngs), "a model with dropout sites; got none.*--insert"),
    (lambda rngs: attending(rngs, dropout_rate=0.1), "static one inside first.*attention_fn="),
    (lambda rngs: Dropping(Doubled(0.1, rngs=rngs)), "got Doubled at site"),
    (lambda rngs: Dropping(ConcreteDropout(0.1, rngs=rngs)), "got ConcreteDropout at site"),
    (lambda rngs: Dropping(GaussianNoise(0.1, rngs=rngs)), "noise at site, whose stddev is no"),
    (lambda rngs: 3, "a flax.nnx.Module from the function; got 3"),
])  # fmt: skip
def test_what_cannot_be_told_a_rate_is_refused(build, message):
    with pytest.raises(InputError, match=message):
        _ = Own(build, (4,)).sites


def test_a_subclass_that_only_sets_a_rate_is_a_site_as_any():
    class Half(stochastic.Dropout):
        def __init__(self, rngs):
            super().__init__(0.5, rngs=rngs)

        def doubled(self, x):
            return 2 * self(x)

    class Doubling(Dropping):
        def __call__(self, x):
            return self.site.doubled(x) / 2

    own = Own(lambda rngs: Doubling(Half(rngs)), (4,))
    x = jnp.ones((3, 4))
    expected = jaxdrop.dropout(jax.random.fold_in(key(1), 0), x, 0.5)
    np.testing.assert_array_equal(trained(own, x)[0], expected)


def test_a_builder_is_asked_anew_for_each_comparison():
    width = 3

    @dataclass
    class Builder:  # equal to others, so that it cannot be hashed
        def __call__(self, rngs):
            return Dropping(nnx.Dropout(0.5, rngs=rngs), nnx.Linear(4, width, rngs=rngs))

    build = Builder()
    first = Own(build, (4,))
    assert (first.parameters, first == first, hash(first)) == (15, True, hash(first))
    width = 5
    assert Own(build, (4,)).parameters == 25
    assert Own(build, (4,)) != first


def test_lists_of_variables_are_state_as_they_are():
    scaled = lambda rngs: nnx.SpectralNorm(nnx.Linear(4, 3, rngs=rngs), rngs=rngs)  # noqa: E731
    own = Own(lambda rngs: Dropping(nnx.Dropout(0.5, rngs=rngs), scaled(rngs)), (4,))
    assert own.parameters == 4 * 3 + 3


def test_streams_are_passed_by_name_where_only_names_are_taken():
    builds = [
        lambda **named: Dropping(nnx.Dropout(0.5, **named)),
        lambda *, rngs: Dropping(nnx.Dropout(0.5, rngs=rngs)),
        lambda streams, **_: Dropping(nnx.Dropout(0.5, rngs=streams)),
    ]
    assert [Own(build, (4,)).sites for build in builds] == [("site",)] * 3


def test_an_array_that_stands_by_itself_is_state_and_a_list_of_them_is_refused():
    class Masked(Dropping):
        def __init__(self, rngs, form=lambda mask: mask):
            super().__init__(nnx.Dropout(0.5, rngs=rngs))
            self.mask = form(jnp.arange(4.0)[None])

        def __call__(self, x):
            return super().__call__(x * self.mask)

    with pytest.raises(InputError, match=r"a list of them, mask\. Make it nnx\.List"):
        _ = Own(lambda rngs: Masked(rngs, lambda mask: [mask]), (4,)).sites
    own = Own(Masked, (4,))
    fresh = jax.jit(lambda key: nnx.state(own.build(key), nnx.Param, nnx.Not(nnx.Param)))
    states = fresh(key(0))
    used = jax.jit(lambda states: own.bind(*states)(jnp.ones((2, 4)), Drop(own.sites)))(states)
    np.testing.assert_array_equal(used, [[0, 1, 2, 3]] * 2)


@pytest.mark.parametrize("wrapped", [nnx.jit, nnx.remat])
def test_what_a_compiled_part_makes_counts_too(wrapped):
    class Deep(Dropping):
        def __init__(self, rngs, compiled):
            super().__init__(nnx.Dropout(0.5, rngs=rngs), nnx.Linear(4, 3, rngs=rngs))
            self.compiled = compiled

        def __call__(self, x):
            within = lambda first, x: first(jnp.tile(x, 50)[..., :4])  # noqa: E731
            return self.site((wrapped(within) if self.compiled else within)(self.first, x))

    bare, compiled = (Own(partial(Deep, compiled=c), (4,)).units for c in (False, True))
    assert bare > 200
    assert compiled == pytest.approx(bare, rel=0.1)
