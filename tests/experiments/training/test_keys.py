"""Every random number of training has a key of its own."""

import itertools
from typing import Any

import jax
import numpy as np

from experiments.training.keys import mask_key, seed_keys, streams


def data(key):
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def test_every_step_of_every_epoch_has_its_own_masks():
    own = streams(0, 0)
    steps: Any = itertools.product(np.arange(3), np.arange(4))
    keys = [data(mask_key(own, epoch, step)) for epoch, step in steps]
    assert len({*keys}) == 12


def test_seeds_and_what_they_draw_share_no_key():
    keys = [data(key) for seed in range(3) for key in streams(0, seed)]
    keys += [data(key) for key in seed_keys(0, 3)]
    assert len({*keys}) == 3 * 4 + 3
    assert keys != [data(key) for seed in range(3) for key in streams(1, seed)]
