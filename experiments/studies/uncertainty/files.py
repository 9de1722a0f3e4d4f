"""What the run folder holds besides configuration and manifest."""

from experiments.report.page import Page, Picture, render
from experiments.studies.again import again
from experiments.studies.uncertainty import claim, figures, regression, report
from experiments.studies.uncertainty.config import Uncertainty
from experiments.studies.uncertainty.data import Digits
from experiments.studies.uncertainty.experiment import Results


def files(
    config: Uncertainty, digits: Digits, found: Results, title: str, verdict: str
) -> dict[str, bytes]:
    """Pictures and the page, by their names."""
    words, labels = caption(config, digits), digits.y_test
    pictures = {
        "reliability.png": figures.reliability(found.means, labels, words),
        "entropies.png": figures.entropies(found.means, found.information, words),
        "rejection.png": figures.rejection(found.means, labels, words),
        "samples.png": figures.samples(found.table, words),
        "regression.png": figures.regression(found.curves, _growth(found.curves)),
    }
    compared = claim.primary(found.table, config.samples)
    page = Page(
        title,
        verdict,
        [report.primary_grid(compared, claim.PRIMARY_LEVEL),
         report.page_grid(found.table, config.samples, config.members)],
        [Picture(name.removesuffix(".png"), png) for name, png in pictures.items()],
        {"protocol": words, "regression": _growth(found.curves)},
        again("uncertainty", config),
    )  # fmt: skip
    return {**pictures, "report.html": render(page)}


def _growth(curves: regression.Curves) -> str:
    parts = [f"{arm} {regression.growth(lines):.1f}" for arm, lines in curves.functions.items()]
    return f"Spread 2 away from all data, as a multiple of that among them: {', '.join(parts)}."


def caption(config: Uncertainty, digits: Digits) -> str:
    """What was run."""
    sizes = "-".join(map(str, (digits.x_train.shape[1], *config.widths, digits.classes)))
    return (
        f"Digits without the classes {', '.join(map(str, config.unseen))}: {len(digits.y_train)} "
        f"to train, {len(digits.y_test)} to test, as many corrupted (noise, a hidden quarter, "
        f"turned by 90°), {len(digits.x_unseen)} unseen. Network {sizes}, dropout {config.rate:g} "
        f"behind each hidden layer, {config.epochs} epochs of Adam; {config.seeds} seeds, "
        f"{config.samples} samples, ensembles of {config.members}."
    )
