"""What a study's figures say follows from its results, and what came out equal is drawn once."""

import re

import numpy as np
import pytest

from experiments.report.intervals import PER_CENT, POSITIVE
from experiments.report.verdict import Verdict
from experiments.studies import claim, curves, figures, tables
from experiments.studies.design import Case, Contrast, Design, Term, more, same
from experiments.studies.results import Result
from experiments.studies.tables import headline

ARMS = ("none", "low", "high", "twin")
CASE = Case(None, None, dict.fromkeys(ARMS))  # pyright: ignore[reportArgumentType]
DESIGN = Design({"mlp": CASE}, [])


def result(accuracies, gaps=(0.5, 0.4, 0.3, 0.3)):
    """Three seeds; the last two arms are equal."""
    seeds = np.array([[-0.5], [0.0], [0.5]])
    test = np.array(accuracies) + seeds
    loss = (100 - test) / 50
    last = {"test accuracy": test, "train accuracy": test, "test NLL": loss,
            "train NLL": loss - np.array(gaps)}  # fmt: skip
    first = {name: 2 * np.abs(values) for name, values in last.items()}
    return {"mlp": Result([1, 2], [], [first, last], last, {})}


BEST_HIGH, BEST_LOW = (result((90.0, low, 95.0, 95.0)) for low in (93.0, 97.0))


@pytest.fixture
def shown(monkeypatch):
    """Title and figure in place of a file."""
    for module in (figures, curves):
        monkeypatch.setattr(module, "picture", lambda title, figure, *_: (title, figure))


def labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_arms_are_titled_by_the_best_with_its_equals(shown):
    title, figure = figures.arms(DESIGN, BEST_HIGH, "")
    assert title == "Highest mean test accuracy: high = twin, 95.0 %"
    assert labels(figure.axes[0]) == ["none", "low", "high = twin"]
    assert figures.arms(DESIGN, BEST_LOW, "")[0].endswith("accuracy: low, 97.0 %")


def test_all_that_are_as_good_as_the_best_are_named(shown):
    title, _ = figures.arms(DESIGN, result((90.0, 95.0, 95.0, 93.0), (0.5, 0.4, 0.3, 0.2)), "")
    assert title == "Highest mean test accuracy: low and high, 95.0 %"


@pytest.mark.parametrize(("results", "says"), [
    (BEST_HIGH,
     "Best: high = twin, 95.0 %, +5.00 ± 0.00 points against none. Worst: none, 90.0 %."),
    (BEST_LOW, "Best: low, 97.0 %, +7.00 ± 0.00 points against none. Worst: none, 90.0 %."),
    (result((90.0, 80.0, 85.0, 85.0)),
     "Best: none, 90.0 %. Worst: low, 80.0 %, -10.00 ± 0.00 points against none."),
])  # fmt: skip
def test_those_who_cannot_see_the_arms_hear_of_the_best_and_the_worst(results, says):
    assert figures.arms(DESIGN, results, "").alt.endswith(f"Accuracy and loss of 3 arms. {says}")


def test_those_who_cannot_see_the_contrasts_hear_how_many_came_out_how_and_how_far_apart():
    def alt(*means):
        return re.sub(" ± [0-9.]+", "", figures.contrasts("It is so", found(*means), "").alt)

    assert alt(2.0, -3.0, 0.0) == (
        "It is so. 3 parts of the claim with intervals: 1 supported, 1 refuted, 1 open; "
        "from -3 points (part 1) to +2 points (part 0); alike: +0 nats."
    )
    other = alt(4.0, 2.0, 0.0)
    assert "2 supported, 1 open; from +2 points (part 1) to +4 points (part 0);" in other


def test_those_who_cannot_see_the_curves_hear_where_they_end():
    assert curves.curves(DESIGN, BEST_HIGH, "").alt.endswith(
        "Test loss ends lowest with high = twin, 0.1 nats, and highest with low, 0.14."
    )
    assert "lowest with low, 0.06 nats" in curves.curves(DESIGN, BEST_LOW, "").alt


def test_tables_and_figures_of_arms_end_where_nothing_is_possible_beyond(shown):
    results = result((99.9, 99.9, 99.9, 99.9))
    row = tables.arms(DESIGN, results).cells[0]
    assert row[2].text == "99.90 (98.66 to 100.00)"
    assert row[4].text == "0.00 (0.00 to 0.03)"
    assert Term("", "", "left on").possible == PER_CENT
    assert Term("", "", "test MSE").possible == POSITIVE


def test_arms_have_the_interval_of_their_difference_to_the_first(shown):
    """All differ by as much in every seed, so there is none."""
    _, figure = figures.arms(DESIGN, BEST_HIGH, "")
    ends = [path.vertices[:, 0] for path in figure.axes[0].collections[0].get_paths()]
    np.testing.assert_allclose(ends, [[90, 90], [93, 93], [95, 95]])


def test_curves_are_titled_by_the_gap_that_closes_most(shown):
    title, figure = curves.curves(DESIGN, BEST_HIGH, "")
    assert title == "Gap from training to test loss: 0.5 nats with none, 0.3 with high = twin"
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["low", "high = twin"]
    other = result((90.0, 93.0, 95.0, 95.0), (0.5, 0.1, 0.3, 0.3))
    assert curves.curves(DESIGN, other, "")[0].endswith("0.1 with low")


def test_a_case_of_one_arm_is_drawn(shown):
    alone = Design({"mlp": CASE._replace(arms={"none": None})}, [])
    only = result((90.0, 93.0, 95.0, 95.0))["mlp"]
    cut = {name: values[:, :1] for name, values in only.final.items()}
    results = {"mlp": Result([1, 2], [], [cut, cut], cut, {})}
    assert curves.curves(alone, results, "")[1].axes


def found(*means, margin=0.3):
    """Of contrasts on accuracy, and one on losses."""

    def term(measure):
        return Term("mlp", "none", measure), Term("mlp", "low", measure)

    points = [more(f"part {n}", *term("test accuracy")) for n in range(len(means) - 1)]
    contrasts: list[Contrast] = [*points, same("alike", *term("test NLL"), within=0.2)]
    spread = claim.spread(np.array([0.0, 0.1, 0.2]))
    pairs = zip(contrasts, means, strict=True)
    return [claim.Finding(one, mean, spread, 0.95, margin) for one, mean in pairs]


def test_contrasts_are_titled_by_verdict_and_number():
    findings = found(2.0, -3.0, 0.0)
    assert headline(Verdict.REFUTED, findings).startswith("Refuted, 1 of 3 parts: part 1: -3 ± ")
    nothing = found(2.0, 0.1, 0.0, margin=9.0)
    assert headline(Verdict.REFUTED, nothing).endswith(" points (no difference)")
    assert headline(Verdict.OPEN, found(0.1, 0.0)).startswith("Open: part 0: +0.1 ± ")
    opened = headline(Verdict.OPEN, found(2.0, 0.1, 0.0))
    assert opened.startswith("Open, 2 of 3 parts: part 0: +2 ± ")
    assert opened.endswith(" points (supported)")
    sets = zip(("digits", "mnist5k"), found(2.0, -3.0), strict=True)
    mixed = [one._replace(contrast=one.contrast._replace(dataset=name)) for name, one in sets]
    said = headline(Verdict.MIXED, mixed)
    assert said.startswith("Mixed (digits supported, mnist5k refuted): alike: -3 ± ")


def test_contrasts_of_a_unit_share_a_scale_and_shade_what_does_not_matter(shown):
    _, figure = figures.contrasts("", found(2.0, -3.0, 0.0), "")
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "difference (points)",
        "difference (nats)",
    ]
    shaded = [[(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
              for axes in figure.axes]  # fmt: skip
    np.testing.assert_allclose(shaded[0], [(-0.3, 0.3)] * 2)
    np.testing.assert_allclose(shaded[1], [(-0.2, 0.2)])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[1].startswith("part 1\n-3 ± ")
    assert texts[1].endswith(": refuted (claimed: > 0)")


def test_of_many_arms_the_best_are_drawn(shown):
    many = Design({"mlp": CASE._replace(arms=dict.fromkeys(map(str, range(20))))}, [])
    accuracies = np.arange(20.0)
    results = result(accuracies, gaps=accuracies / 100)
    _, figure = curves.curves(many, results, "")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [str(n) for n in range(8, 20)]


def test_curves_tell_which_arms_they_leave_out(monkeypatch):
    monkeypatch.setattr(curves, "picture", lambda *texts: texts[2])
    many = Design({"mlp": CASE._replace(arms=dict.fromkeys(map(str, range(20))))}, [])
    accuracies = np.arange(20.0)
    told = curves.curves(many, result(accuracies, gaps=accuracies / 100), "What was run.")
    assert "over seeds. The most accurate of 19 arms are shown. What was run." in told
    assert "over seeds. What was run." in curves.curves(DESIGN, BEST_HIGH, "What was run.")
