"""What the study says: whether ours are the published ones, set by set."""

from dataclasses import replace

from experiments.report.page import Picture
from experiments.report.report import Report
from experiments.report.verdict import Conclusion
from experiments.studies.settings import in_shell
from experiments.studies.uci import figures, published, tables
from experiments.studies.uci.config import Uci
from experiments.studies.uci.protocol import PROTOCOLS, TOLERANCES
from experiments.studies.uci.published import Sets
from experiments.words import counted

WIDTH = 120  # columns that the tables take
PLAIN = {"right": False, "no_wrap": True, "padding": (0, 1, 0, 1)}


def report(claim: str, config: Uci, sets: Sets) -> Report:
    """All of it, from what came out."""
    compared = published.compare(sets, TOLERANCES if config.protocol == "original" else {})
    verdict, words = published.verdict(compared), published.in_words(compared)
    repeated, protocol = tables.comparisons(compared), caption(config)
    beside = [tables.arms(sets)] if config.arms else []

    def draw() -> dict[str, Picture]:
        return {
            "published.svg": figures.against_published(compared, protocol),
            "samples.svg": figures.likelihood_by_samples(sets, protocol),
        }

    named = replace(repeated, title="Gal & Ghahramani 2016, repeated")
    return Report(
        settings=config,
        conclusion=Conclusion(
            "uci",
            claim,
            verdict.value,
            words,
            in_shell("run uci", config),
            published.in_one(compared),
            ", ".join(config.names),
            config.seeds,
        ),
        verdict=verdict,
        sentence=f"{published.headline(compared)}.",
        numbers={"results.csv": tables.per_seed(sets), "arms.csv": tables.arms_per_seed(sets)},
        tables=[repeated, *beside],
        draw=draw,
        facts={"protocol": protocol},
        screens=[table.screen(**PLAIN) for table in (named, *beside)],
        lines=[protocol],
        width=WIDTH,
    )


def caption(config: Uci) -> str:
    """What was run."""
    protocol = PROTOCOLS[config.protocol]
    hidden = " and ".join(map(str, protocol.hidden))
    return (
        f"Protocol {config.protocol}: {counted(config.length, 'epoch')} of Adam, batches of "
        f"{protocol.batch_size}, hidden layers of {hidden} units; "
        f"{counted(config.seeds, 'seed')} a split, {config.drawn:,} samples. ± is the standard "
        "error over splits; differences are paired by split."
    )
