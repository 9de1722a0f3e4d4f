"""Images that are moved, mirrored and cropped."""

from typing import Any

import jax
import numpy as np
import pytest

from experiments.training.augment import augment
from experiments.training.recipe import recipe, stack

SHAPE, KEY = (5, 6, 2), jax.random.key(0)
IMAGES: Any = np.random.default_rng(1).uniform(0.5, 2, (40, 5 * 6 * 2)).astype(np.float32)
compiled = jax.jit(augment, static_argnums=2)


def augmented(images: Any = IMAGES, key: Any = KEY, **numbers):
    return np.asarray(compiled(key, images, SHAPE, recipe((), {}, **numbers)))


def pictures(flat):
    return np.asarray(flat).reshape(-1, *SHAPE)


def moved(picture, down, right):
    """What enters from the sides is 0."""
    rolled = np.roll(picture, (down, right), (0, 1))
    row, column = np.ogrid[: SHAPE[0], : SHAPE[1]]
    inside = (row - down >= 0) & (row - down < SHAPE[0])
    inside = inside & (column - right >= 0) & (column - right < SHAPE[1])
    return np.where(inside[..., None], rolled, 0)


def test_without_augmentation_every_bit_stays():
    assert augmented().tobytes() == IMAGES.tobytes()


@pytest.mark.parametrize("shift", [1, 2])
def test_a_shift_moves_by_whole_pixels_at_most_that_far_in_all_directions(shift):
    steps = range(-shift, shift + 1)
    seen = set()
    for before, after in zip(pictures(IMAGES), pictures(augmented(shift=shift)), strict=True):
        found = [(i, j) for i in steps for j in steps if np.array_equal(moved(before, i, j), after)]
        assert len(found) == 1
        seen.update(found)
    assert {i for i, _ in seen} == {j for _, j in seen} == {*steps}
    assert len(seen) > 2 * shift + 1


def test_images_are_mirrored_with_the_probability_of_a_flip():
    mirrored = pictures(IMAGES)[:, :, ::-1]
    np.testing.assert_array_equal(pictures(augmented(flip=1.0)), mirrored)
    half = pictures(augmented(flip=0.5))
    flipped = (half == mirrored).all((1, 2, 3))
    assert 8 < flipped.sum() < 32
    np.testing.assert_array_equal(half[~flipped], pictures(IMAGES)[~flipped])


def test_a_flip_and_a_shift_go_together():
    both = augmented(shift=1.0, flip=1.0)
    mirrored = pictures(IMAGES)[:, :, ::-1].reshape(IMAGES.shape)
    np.testing.assert_array_equal(both, augmented(mirrored, shift=1.0))


def test_a_crop_zooms_into_the_middle_and_stays_in_range():
    found = pictures(augmented(crop=0.5))
    low, high = (extreme(pictures(IMAGES), (1, 2)) for extreme in (np.min, np.max))
    assert (found >= low[:, None, None] - 1e-5).all()
    assert (found <= high[:, None, None] + 1e-5).all()
    row = np.broadcast_to(np.arange(5.0)[:, None, None], SHAPE).ravel()
    heights = pictures(augmented(np.tile(np.float32(row), (40, 1)), crop=0.5))[..., 0, 0]
    np.testing.assert_allclose(heights[:, 2], 2, atol=1e-5)  # the middle stays
    zoom = heights[:, 4] - heights[:, 0]
    np.testing.assert_allclose(np.diff(heights), np.repeat(zoom[:, None] / 4, 4, 1), atol=1e-5)
    assert zoom.min() >= 2 - 1e-5  # half of the sides at most
    assert zoom.max() <= 4 + 1e-5
    assert np.ptp(zoom) > 0.5


@pytest.mark.parametrize("numbers", [{"shift": 2.0}, {"flip": 0.5}, {"crop": 0.5}], ids=str)
def test_each_image_is_changed_in_its_own_way_and_the_same_way_again(numbers):
    alike = np.tile(IMAGES[:1], (40, 1))
    found = augmented(alike, **numbers)
    assert len({image.tobytes() for image in found}) > 1
    np.testing.assert_array_equal(found, augmented(alike, **numbers))
    assert (found != augmented(alike, jax.random.key(9), **numbers)).any()


def test_arms_of_one_program_are_augmented_as_each_would_be_alone():
    settings = {}, {"flip": 1.0}, {"shift": 2.0}, {"crop": 0.5}, {"shift": 1.0, "crop": 0.2}
    arms = stack([recipe((), {}, **numbers) for numbers in settings])
    found = jax.jit(jax.vmap(lambda arm: augment(KEY, IMAGES, SHAPE, arm)))(arms)
    for numbers, arm in zip(settings, np.asarray(found), strict=True):
        np.testing.assert_allclose(arm, augmented(**numbers), atol=1e-5)
    np.testing.assert_array_equal(found[0], IMAGES)
