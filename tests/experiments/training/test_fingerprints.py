import jax
import numpy as np

from experiments.training.fingerprints import digest, fingerprints

RANDOM = np.random.default_rng(0)


def networks():
    return {"a": RANDOM.normal(size=(3, 4, 5, 6)).astype("f4"), "b": np.zeros((3, 4), "i4")}


def differ(one, other):
    return np.asarray(fingerprints(one)) != np.asarray(fingerprints(other))


def test_any_bit_of_any_leaf_counts_for_its_network_alone():
    tree = networks()
    for name, place in (("a", (1, 2, 0, 0)), ("a", (1, 2, 4, 5)), ("b", (1, 2))):
        changed = jax.tree.map(np.copy, tree)
        changed[name].view("u4")[place] ^= 1
        assert np.argwhere(differ(tree, changed)).tolist() == [[1, 2]]


def test_place_counts_too():
    tree = networks()
    turned = tree | {"a": tree["a"][:, :, ::-1]}
    assert differ(tree, turned).all()
    assert differ([tree["a"], 0 * tree["a"]], [0 * tree["a"], tree["a"]]).all()


def test_zero_and_minus_zero_are_told_apart():
    zero = np.zeros((1, 1, 1), np.float32)
    assert differ(zero, -zero)


def test_the_fingerprint_of_a_network_does_not_depend_on_its_neighbours_or_devices():
    tree = networks()
    some = jax.tree.map(lambda leaf: leaf[1:2, :3], tree)
    np.testing.assert_array_equal(fingerprints(some), np.asarray(fingerprints(tree))[1:2, :3])


def test_a_digest_is_of_bytes_in_order():
    one, other = np.arange(3), np.arange(4)
    assert digest(one, other) == digest(np.concatenate([one, other])) != digest(other, one)
