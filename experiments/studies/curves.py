"""How the arms of a study got there: their losses, epoch by epoch."""

import itertools
from collections.abc import Sequence

import numpy as np

from experiments.report.figures import WIDTH, curve, fold, in_style, logarithmic, panels, picture
from experiments.report.page import Picture
from experiments.studies.design import ACCURACY, Design
from experiments.studies.figures import distinct, labelled
from experiments.studies.results import Results
from experiments.words import counted

MOST = 12
"""Arms that are shown."""
Compared = Sequence[tuple[str, str, int]]
"""Of each arm the case, name and number."""


@in_style()
def curves(design: Design, results: Results, caption: str) -> Picture:
    """Loss against epoch: a panel for each arm, beside the first of its case."""
    every = _compared(design, results)
    compared, count = [*itertools.chain(*_most(results, every))], sum(map(len, every))
    fewer = f"The most accurate of {count} arms are shown. " * (len(compared) < count)
    figure, shown = panels(len(compared), 2, WIDTH / 2, 1.5, sharex=True)
    for axes, (title, name, row) in zip(shown, compared, strict=True):
        result, arms = results[title], [0, row]
        test, train = (result.course(f"{part} NLL") for part in ("test", "train"))
        curve(axes, result.epochs, test[:, arms], train[:, arms])
        logarithmic(axes, 0.6 * test.min(), 1.5 * test[len(test) // 5].max())  # of the whole case
        axes.set_title(fold(f"{title}: {name}" if len(results) > 1 else name, 27))
    labelled(figure, shown, "epoch", "NLL (nats)")
    first = " or ".join(dict.fromkeys(next(iter(case.arms)) for case in design.cases.values()))
    return picture(
        _gap(design, compared, results),
        figure,
        f"Loss without dropout, means over seeds. {fewer}{caption}",
        _ends(compared, results),
        f"Blue: the arm; grey: {first}. Solid: test; dotted: training. What is far off is cut off.",
    )


def _compared(design: Design, results: Results) -> list[Compared]:
    """For each case, it and the name and number of each arm but the first."""

    def of_case(title: str) -> Compared:
        others = list(distinct(design, results, title).items())[1:] or [("none else", 0)]
        return [(title, name, row) for name, row in others]

    return [of_case(title) for title in design.cases]


def _most(results: Results, found: list[Compared]) -> list[Compared]:
    """All that may be shown: of too many the best of each case, in their order."""
    if sum(map(len, found)) <= MOST:
        return found

    def best(arms: Compared, most: int) -> Compared:
        accuracy = [float(results[case].final[ACCURACY][:, row].mean()) for case, _, row in arms]
        return [arms[index] for index in sorted(np.argsort(accuracy)[::-1][:most])]

    return [best(arms, max(1, MOST // len(found))) for arms in found]


def _gap(design: Design, compared: Compared, results: Results) -> str:
    """In words how much the first arm overfits, and the one that gains most on it."""

    def gap(title: str, row: int) -> float:
        test, train = (results[title].final[f"{part} NLL"][:, row] for part in ("test", "train"))
        return float(np.mean(test - train))

    title, name, row = min(compared, key=lambda it: gap(it[0], it[2]) - gap(it[0], 0))
    where, first = f" ({title})" * (len(results) > 1), next(iter(design.cases[title].arms))
    return (
        f"Gap from training to test loss: {gap(title, 0):.2g} nats with {first}, "
        f"{gap(title, row):.2g} with {name}{where}"
    )


def _ends(compared: Compared, results: Results) -> str:
    """In words where the test losses end lowest and highest."""
    ends = {
        f"{name}{f' ({title})' * (len(results) > 1)}": results[title].course("test NLL")[-1, row]
        for title, name, row in compared
    }
    low, high = (end(ends, key=lambda arm: ends[arm]) for end in (min, max))
    return (
        f"Loss by epoch of {counted(len(ends), 'arm')}, each beside the first of its case. Test "
        f"loss ends lowest with {low}, {ends[low]:.2g} nats, and highest with {high}, "
        f"{ends[high]:.2g}."
    )
