"""Where should dropout stand? Every placement, rate and seed in one compiled program.

`compare` is a command, and a function of a model and of arrays.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Array, Shaped

from experiments.data import npz
from experiments.data.images import Form, dataset
from experiments.errors import expect
from experiments.models.surgery import Make, Rule
from experiments.report.report import Report
from experiments.runs.execute import Runnable, execute, train
from experiments.runs.folder import check_folder
from experiments.studies import results
from experiments.studies.compare import source, tables
from experiments.studies.compare.design import CASE, case_of, design, grid, placements
from experiments.studies.compare.own import network
from experiments.studies.compare.report import report
from experiments.studies.compare.settings import Arms, Compare, Data, Folder, Own, Training
from experiments.studies.compare.tables import Summary
from experiments.studies.design import Case
from experiments.studies.run import folder, hurry, notice, runnable
from experiments.studies.settings import command_line
from experiments.training import sweep
from experiments.training.devices import Cluster, lead, say

TAKES = "about a minute on two cores"
Arrays = Mapping[str, Shaped[Array | np.ndarray, "..."]] | Sequence[Shaped[np.ndarray, "..."]]
Loss = Literal["cross-entropy", "mse"]


def compare_into(config: Compare, into: Folder, cluster: Cluster) -> None:
    """Trains, prints the table, writes the run folder."""
    cluster.join()
    of = config.own.model or config.network.activation
    name = f"compare-{Path(config.data.dataset).stem}-{of.rpartition(':')[2]}"
    path = into.output or folder(Path("runs"), name, config.smoke)
    lead(lambda: check_folder(path, into.overwrite))
    prepared = prepare(config, into.chunk)
    say(notice("compare", TAKES, config.smoke), sys.stderr)
    execute(prepared, path, into.overwrite, into.checkpoint_every)


def prepare(config: Compare, cut: results.Cut = None) -> Runnable[sweep.Histories]:
    """A study like any other, but for what it says."""
    hurry(config.smoke)
    config, used = config.anywhere, config.used
    of_file = source.read(config.own.model) if config.own.model else None
    whole, words = design(used, case_of(used, of_file)), command_line("compare", config)
    tasks = results.looks(whole, used.protocol, [used.arms.seeds], cut)
    reported = partial(report, config, whole.cases[CASE])
    files = of_file.files if of_file else {}
    return runnable(words, config, tasks, whole, reported, point=0.01, files=files)


class Comparison(NamedTuple):
    """What came out."""

    rows: list[Summary]
    """Of the table, best first: placement and rate, then means with their 95 % intervals of the
    score, the gap, the other measure, and the paired difference to no dropout."""
    report: Report
    """All that is said of it: `report.sentence`, `report.show()`, `report.files()`."""


def compare(
    build: Make,
    data: Arrays,
    *,
    rates: Sequence[float] = Arms.rates,
    sites: Sequence[str] = (),
    insert: Sequence[str | Rule] = (),
    loss: Loss = "cross-entropy",
    epochs: int = Training.epochs,
    batch_size: int | None = None,
    learning_rate: float = Training.learning_rate,
    weight_decay: float = Training.weight_decay,
    train_size: int | None = None,
    seeds: int = Arms.seeds,
    seed: int = Arms.seed,
    quiet: bool = False,
) -> Comparison:
    """Trains a model with dropout at each of its sites, at every rate, and says what is best.

    The model is any `flax.nnx.Module` that is called on a batch. Placements are: none, each site
    that `jaxdrop.nnx.dropout_sites` finds alone, all of them, and each group of `sites`, at every
    one of `rates`; what the model itself says of rates does not count. Sites of `flax.nnx.Dropout`
    give way to `jaxdrop.nnx.Dropout` at 16 bits. All networks train in one compiled program, by
    AdamW; those of a seed share initial weights, batches and masks. Statistics of batch norm, and
    all other state, are each network's own. On a CPU, `JAX_NUM_CPU_DEVICES` says how many cores
    share the seeds out; set it before JAX starts.

    Args:
      build: takes `nnx.Rngs` and returns the module; or its class. It is traced.
      data: arrays x_train, y_train, x_test, y_test by these names, or in this order. The model is
        called on rows of x; those of uint8 are scaled to [0, 1] before.
      rates: probabilities to drop.
      sites: groups, as patterns of the sites' paths: 'encoder.*'.
      insert: where dropout is put in first: `after:Linear` and so on, as the command has it, or
        rules of `jaxdrop.nnx`.
      loss: cross-entropy, of logits and labels from 0 up; or mse, of numbers.
      epochs: passes over the training data.
      batch_size: examples in a step; or it is 50, or all where there are fewer.
      learning_rate: of the first step; it falls to 0 along a half cosine.
      weight_decay: of AdamW.
      train_size: how many training examples each seed draws from all that there are; or it takes
        all.
      seeds: repetitions, each with its own weights, batches and masks.
      seed: where all randomness comes from.
      quiet: prints nothing.

    Returns:
      The rows of the table, best first, and the whole report.

    Raises:
      InputError: data, a model or settings that do not go together.

    Example:
      >>> from flax import nnx
      >>> from sklearn.datasets import load_digits
      >>> from experiments.studies.compare import compare
      >>> class Block(nnx.Module):
      ...     def __init__(self, rngs):
      ...         self.conv = nnx.Conv(16, 16, (3, 3), rngs=rngs)
      ...         self.norm = nnx.BatchNorm(16, momentum=0.9, rngs=rngs)
      ...         self.dropout = nnx.Dropout(0.1, rngs=rngs)
      ...
      ...     def __call__(self, x):
      ...         return x + self.dropout(nnx.relu(self.norm(self.conv(x))))
      >>> class Network(nnx.Module):
      ...     def __init__(self, rngs):
      ...         self.stem = nnx.Conv(1, 16, (3, 3), strides=2, rngs=rngs)
      ...         self.blocks = nnx.List([Block(rngs), Block(rngs)])
      ...         self.dropout = nnx.Dropout(0.5, rngs=rngs)
      ...         self.head = nnx.Linear(16, 10, rngs=rngs)
      ...
      ...     def __call__(self, x):
      ...         x = self.stem(x[..., None])
      ...         for block in self.blocks:
      ...             x = block(x)
      ...         return self.head(self.dropout(x.mean((1, 2))))
      >>> images, labels = load_digits(return_X_y=True)
      >>> images = images.reshape(-1, 8, 8) / 16
      >>> data = images[:500], labels[:500], images[500:], labels[500:]
      >>> answer = compare(Network, data, rates=(0.2, 0.5), epochs=20, seeds=4, quiet=True)
      >>> sorted({row.point.placement for row in answer.rows})
      ['all', 'blocks.0.dropout', 'blocks.1.dropout', 'dropout', 'none']
      >>> print(answer.report.sentence)  # doctest: +ELLIPSIS
      Best: ...
    """
    expect(loss in get_args(Loss), f"loss to be one of {', '.join(get_args(Loss))}", repr(loss))
    form = Form(True, loss == "cross-entropy")
    found = dataset(npz.checked(_named(data), form.classes), form)
    everything = len(found.y_train)
    size = everything if train_size is None else min(train_size, everything)
    config = Compare(
        Arms(rates=tuple(rates), seeds=seeds, seed=seed),
        Data("data", size, len(found.y_test)),
        own=Own(getattr(build, "__qualname__", repr(build)), tuple(sites), (), loss),
        training=Training(epochs, batch_size, learning_rate, weight_decay),
    )
    case = Case(network(build, found, config.batch, insert, None, rates), found, {})
    whole = design(config, case)
    looks = results.looks(whole, config.protocol, [seeds])
    kept = sweep.Checkpoints()
    trained = {CASE: sweep.run(looks[0][CASE])} if quiet else train(looks, lambda _: False, kept)
    came_out = results.results(whole, looks, trained)
    said = report(config, whole.cases[CASE], came_out)
    if not quiet:
        said.show()
    points = grid(placements(config, case.architecture), config.arms.rates)
    return Comparison(tables.summarise(points, came_out[CASE], tables.measure_of(found)), said)


def _named(data: Arrays) -> dict[str, np.ndarray]:
    named = data if isinstance(data, Mapping) else dict(zip(npz.NAMES, data, strict=False))
    missing, names = [name for name in npz.NAMES if name not in named], ", ".join(npz.NAMES)
    expect(not missing, f"the arrays {names}", f"no {', '.join(missing)}")
    return {name: np.asarray(named[name]) for name in npz.NAMES}
