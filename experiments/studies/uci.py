"""Does Monte-Carlo dropout give the published regression table?"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments import runs
from experiments.errors import expect
from experiments.studies.verdict import Verdict
from experiments.train import seed_keys
from experiments.uci import data, report, train
from experiments.uci.protocol import (
    ALL,
    HYPERPARAMETERS,
    PROTOCOLS,
    SMALL,
    TOLERANCES,
    Hyperparameters,
    Name,
)

CLAIM = "Monte-Carlo dropout: RMSE and log-likelihood of Gal & Ghahramani 2016 on the UCI sets"
DATA_DIR = Path("data", "uci")


@dataclass(frozen=True)
class Uci:
    """Gal & Ghahramani 2016's regression table, on the published splits."""

    data_dir: Path = DATA_DIR
    """Folder that holds a folder for each set."""
    sets: tuple[str, ...] = SMALL
    """Which sets; `all` adds power-plant to the four small ones."""
    protocol: Name = "original"
    """original: 400 epochs; 10x: 4,000; 2layers: 20,000 and a second hidden layer."""
    rate: float | None = None
    """Probability to drop, instead of the published one."""
    precision: float | None = None
    """Inverse variance of the noise in the target's unit, instead of the published one."""
    weight_reg: float | None = None
    """Weight of the regulariser, instead of the published one."""
    seeds: int = 1
    """Trainings of each split."""
    seed: int = 0
    """Where all randomness comes from."""
    samples: int = 10_000
    """Monte-Carlo samples."""
    epochs: int | None = None
    """Passes over the training data, instead of the protocol's."""
    smoke: bool = False
    """The smallest set alone, with 1,000 samples: some seconds, and a verdict nevertheless."""
    output: Path = Path("runs", "uci")
    """Folder of the run."""
    overwrite: bool = False
    """Replace the run that the folder holds."""

    def __post_init__(self) -> None:
        """Checks the numbers; the data are checked on loading."""
        for flag in ("seeds", "epochs"):
            value = getattr(self, flag)
            expect(value is None or value >= 1, f"--{flag} of 1 or more", value)
        expect(0 <= self.seed < 2**32, "a --seed from 0 to 2**32 - 1", self.seed)
        expect(self.samples >= 2, "--samples of 2 or more", self.samples)
        expect(len(self.sets) > 0, "a set in --sets", "nothing")
        fix = "A rate is the probability to drop; 0 would leave nothing to sample."
        expect(self.rate is None or 0 < self.rate < 1, "a --rate in (0, 1)", self.rate, fix)
        for flag in ("precision", "weight_reg"):
            value, name = getattr(self, flag), f"--{flag.replace('_', '-')}"
            expect(value is None or 0 < value < float("inf"), f"a {name} above 0", value)

    @property
    def names(self) -> tuple[str, ...]:
        """The sets, spelled out."""
        if self.smoke:
            return SMALL[:1]
        return tuple(dict.fromkeys(n for name in self.sets for n in _spelled(name)))

    def hyperparameters(self, name: str) -> Hyperparameters:
        """The published ones, and what was passed instead."""
        given = {
            field: getattr(self, field)
            for field in Hyperparameters._fields
            if getattr(self, field) is not None
        }
        known = name in HYPERPARAMETERS or len(given) == len(Hyperparameters._fields)
        fix = "Nothing is published for it: pass --rate, --precision and --weight-reg."
        expect(known, f"a set among {', '.join(ALL)}", name, fix)
        return Hyperparameters(**{**HYPERPARAMETERS.get(name, Hyperparameters(0, 0, 0))._asdict(),
                                  **given})  # fmt: skip


def _spelled(name: str) -> tuple[str, ...]:
    return ALL if name == "all" else (name,)


def lacks(config: Uci) -> str:
    """Which data are missing, in words; nothing if none are."""
    missing = [name for name in config.names if not (config.data_dir / name / "data.txt").exists()]
    return f"no {', '.join(missing)} in {config.data_dir} (--data-dir)" if missing else ""


def uci(config: Uci) -> Verdict:
    """Runs, prints and writes; whether all that is published was met."""
    runs.check_folder(config.output, config.overwrite)
    chosen = {name: config.hyperparameters(name) for name in config.names}
    splits = {name: data.load(config.data_dir / name) for name in config.names}
    protocol = PROTOCOLS[config.protocol]
    published = {
        name: data.published(config.data_dir / name, protocol.published, len(splits[name].mean))
        for name in config.names
    }
    protocol = protocol._replace(epochs=config.epochs or protocol.epochs)
    samples = 1_000 if config.smoke else config.samples
    keys = seed_keys(config.seed, config.seeds)
    results = {
        name: train.run(splits[name], protocol, chosen[name], keys, samples)
        for name in config.names
    }
    tolerances = TOLERANCES if config.protocol == "original" else {}
    compared = [
        row
        for name in config.names
        for row in report.rows(name, results[name], published[name], tolerances.get(name))
    ]
    console = Console(highlight=False, width=max(Console().width, report.WIDTH))
    console.print(report.table(compared))
    console.print(_caption(config))
    _write(config, splits, results, published)
    print(f"Written to {config.output}")
    return Verdict.AGREE if report.agree(compared) else Verdict.DISAGREE


def _write(
    config: Uci,
    splits: dict[str, data.Splits],
    results: dict[str, train.Result],
    published: dict[str, data.Published | None],
) -> None:
    caption = _caption(config)
    files = {
        "config.json": runs.as_json(dataclasses.asdict(config)),
        "results.csv": report.results_csv(results, published),
        "published.png": report.against_published(results, published, caption),
        "samples.png": report.likelihood_by_samples(results, caption),
    }
    arrays = [array for name in config.names for array in splits[name]]
    runs.write(config.output, files, runs.manifest(config.seed, arrays, files, "run uci"))


def _caption(config: Uci) -> str:
    protocol = PROTOCOLS[config.protocol]
    hidden = " and ".join(map(str, protocol.hidden))
    return (
        f"Protocol {config.protocol}: {config.epochs or protocol.epochs} epochs of Adam, batches "
        f"of {protocol.batch_size}, hidden layers of {hidden} units; {config.seeds} seed(s) a "
        f"split, {1_000 if config.smoke else config.samples:,} samples. ± is the standard error "
        "over splits; differences are paired by split."
    )
