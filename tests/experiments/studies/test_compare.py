"""A comparison as a design: a grid of placements and rates, and what is said of it."""

import re
import shlex
from fnmatch import fnmatch

import numpy as np
import pytest
import tyro
from matplotlib.colors import to_hex
from scipy import stats

from experiments.models.mlp import mlp_sites
from experiments.report.colours import of_difference
from experiments.studies import results
from experiments.studies.compare import figures, tables
from experiments.studies.compare.design import CASE, Point, design, grid, sites
from experiments.studies.compare.figures import cells
from experiments.studies.compare.report import gain, picked, report, verdict
from experiments.studies.compare.settings import PLACEMENTS, Compare
from experiments.studies.compare.tables import ACCURACY, ERROR
from experiments.studies.results import Result
from experiments.studies.settings import in_shell
from experiments.training.evaluate import Measurement
from experiments.training.sweep import Block, History
from experiments.training.task import Metrics
from tests.experiments import tiny

SITES = {
    "none": set(),
    "input": {"input"},
    "first-hidden": {"post1"},
    "last-hidden": {"post3"},
    "before-activation": {"pre1", "pre2", "pre3"},
    "after-activation": {"post1", "post2", "post3"},
    "input-and-hidden": {"input", "post1", "post2", "post3"},
    "logits": {"logits"},
}
POINTS = [Point("none", 0.0), Point("input", 0.5), Point("logits", 0.5)]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_placement_is_a_set_of_sites(placement):
    patterns = sites(placement, 3)
    assert {s for s in mlp_sites(3) if any(fnmatch(s, p) for p in patterns)} == SITES[placement]


def test_all_placements_and_rates_make_36_arms_and_none_comes_once():
    points = grid(PLACEMENTS, (0.1, 0.3, 0.5, 0.7, 0.9))
    assert len(points) == len(set(points)) == 36
    assert points[0] == Point("none", 0.0)
    assert [point.placement for point in points].count("none") == 1


def test_none_is_always_there_and_repeats_are_dropped():
    points = grid(["logits", "logits"], (0.5, 0.1, 0.5))
    assert points == [("none", 0.0), ("logits", 0.1), ("logits", 0.5)]


def test_an_arm_is_a_row_of_rates_over_the_sites():
    config = tiny.config(rates=(0.3, 0.30000001), widths=(8,), weight_decay=0.5)
    task = tiny.task(config)
    points = grid(config.arms.placements, config.arms.rates)
    row = points.index(Point("input-and-hidden", 0.3))
    expected = [0.3 * (site in ("input", "post1")) for site in mlp_sites(1)]
    assert len(task.recipes.rates) == len(points)  # rates that print alike are two
    np.testing.assert_array_equal(task.recipes.rates[row], np.array(expected, np.float32))
    assert not task.recipes.rates[0].any()
    assert set(task.recipes.weight_decay.tolist()) == {0.5}


def measured(test_accuracy, images=None):
    """Seeds by arms; by default every image is as hard as the others."""
    train, test = 100 * np.ones_like(test_accuracy), 100 * test_accuracy
    images = np.repeat(test[..., None], 9, -1) if images is None else images
    final = {"train accuracy": train, "test accuracy": test, "test NLL": train}
    of_images = {"test accuracy": images, "test NLL": np.zeros_like(images)}
    return Result([1], [], [final], final, of_images)


def test_differences_are_paired():
    random = np.random.default_rng(1)
    hard = random.normal(size=8)  # how hard each seed is, for all arms alike
    accuracy = (
        0.5 + 0.1 * hard[:, None] + np.array([0, 0.01, 0.02]) + 1e-4 * random.normal(size=(8, 3))
    )
    best = tables.summarise(POINTS, measured(accuracy))[0]
    assert best.point == POINTS[2]
    assert best.score.half > 4
    none, logits = 100 * accuracy[:, 0], 100 * accuracy[:, 2]
    low, high = stats.ttest_rel(logits, none).confidence_interval(0.95)
    assert best.difference.mean == pytest.approx((low + high) / 2)
    assert best.difference.half == pytest.approx((high - low) / 2)


def test_differences_are_paired_image_by_image_too():
    seeds = np.array([[0.5, 0.6, 0.7], [0.5, 0.6, 0.7]])  # no seed differs
    hard, random = np.arange(50.0), np.random.default_rng(0)
    images = np.tile([hard, hard + 10, hard + 20 + random.normal(size=50)], (2, 1, 1))
    best = tables.summarise(POINTS, measured(seeds, images))[0]
    difference = images[0, 2] - images[0, 0]
    low, high = stats.t.interval(0.95, 49, 0, difference.std(ddof=1) / 50**0.5)
    assert best.difference.half == pytest.approx((high - low) / 2)
    assert best.score.half > 4
    assert best.gap.half == pytest.approx(0)


def test_the_best_come_first_with_a_star_and_the_gap_is_train_minus_test():
    summaries = tables.summarise(POINTS, measured(np.array([[0.7, 0.9, 0.9], [0.7, 0.9, 0.9]])))
    assert [summary.point.placement for summary in summaries] == ["input", "logits", "none"]
    assert summaries[0].gap.mean == pytest.approx(10)
    starred = tables.starred(tables.every(summaries, ""), "title")
    assert [row[0] for row in starred.rows] == ["★ input", "★ logits", "  none"]
    one_seed = tables.summarise(POINTS, measured(np.array([[0.7, 0.9, 0.8]])))
    assert list(tables.every(one_seed, "").best) == []


def test_the_table_ends_intervals_where_nothing_is_possible_beyond():
    (best, *_), _ = compared(0.7, 0.98, 0.8)
    accuracy, _, loss = (cell.text for cell in tables.every([best], "").cells[0][2:5])
    assert re.fullmatch(r"98\.07 \(9\d\.\d\d to 100\.00\)", accuracy)
    assert "-" not in loss


def test_errors_are_the_better_the_less_and_what_diverged_comes_last():
    errors = np.array([[3.0, np.nan, 2.0]] * 2)
    final = {"test MSE": errors, "train MSE": errors / 2, "test MAE": errors}
    images = {name: np.repeat(errors[..., None], 9, -1) for name in final}
    result = Result([1], [], [final], final, images)
    summaries = tables.summarise(POINTS, result, ERROR)
    assert [summary.point.placement for summary in summaries] == ["logits", "none", "input"]
    assert summaries[0].gap.mean == 1
    assert summaries[0].difference.mean == -1
    rows = {"logits": summaries[:1], "input": summaries[2:]}
    assert verdict(summaries, rows, ERROR).startswith("Best: logits at rate 0.5, -1 ± 0 mean")
    assert figures.scores(summaries[1], rows, "", ERROR).alt.startswith("Lowest mean test MSE")
    assert figures.curves(POINTS, result, {"logits": [2], "input": [1]}, "", ERROR).svg
    assert "diverged" in cells("", rows, summaries[0], "", ERROR).svg.decode()


SEEDS = np.array([[-0.01], [0.0], [0.01]])


def compared(*accuracies):
    """Summaries, and those of each placement, of three seeds that differ a little."""
    noise = np.array([[0.0, 0.002, -0.002], [0.0, -0.001, 0.001], [0.0, 0.001, 0.001]])
    result = measured(np.array(accuracies) + SEEDS + noise)
    summaries = tables.summarise(POINTS, result)
    of = {summary.point: summary for summary in summaries}
    placed = tables.placed(POINTS, result)
    return summaries, {name: [of[POINTS[arm]] for arm in arms] for name, arms in placed.items()}


def test_the_grid_says_which_is_best_and_what_is_decided(monkeypatch):
    monkeypatch.setattr(figures, "picture", lambda title, figure, *_: figure)
    summaries, rows = compared(0.7, 0.9, 0.7)
    (axes,) = cells("", rows, summaries[0], "").axes
    shown = [text.get_text() for text in axes.texts]
    assert shown == [
        text
        for name in ("input", "logits")
        for text in rows[name][0].difference.text(".2f", "+").replace(" ±", "\n±").split("\n")
    ]
    boxes = [to_hex(box.get_facecolor()) for box in axes.patches if box.get_fill()]
    assert boxes == [of_difference(0.5, 1, True), of_difference(-1, 1, False)]
    frames = [box.get_xy() for box in axes.patches if not box.get_fill()]
    assert frames == [(0, 0)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["input", "logits"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("dropout rate", "placement")


def test_placements_that_came_out_equal_are_one():
    accuracy = np.array([0.7, 0.8, 0.8]) + SEEDS
    assert tables.placed(POINTS, measured(accuracy)) == {"input = logits": [1]}
    accuracy[0, 2] += 1e-6
    assert tables.placed(POINTS, measured(accuracy)) == {"input": [1], "logits": [2]}


def test_the_best_is_named_with_those_as_good():
    summaries, rows = compared(0.7, 0.9, 0.8)
    assert verdict(summaries, rows).startswith("Best: input at rate 0.5, +20.")
    assert gain(summaries, rows, ACCURACY).startswith("input at rate 0.5, +20.")
    tied = tables.summarise(POINTS, measured(np.array([0.7, 0.75, 0.75]) + SEEDS))
    rows = {"input": tied[:1], "logits": tied[1:2]}
    assert verdict(tied, rows).startswith("Best: input at rate 0.5 and logits at rate 0.5, +5")


def test_none_is_picked_from_a_single_arm():
    summaries, rows = compared(0.7, 0.9, 0.8)
    assert "the best of 2," in picked(rows, summaries[0])
    assert picked({"input": rows["input"]}, summaries[0]) == ""
    summaries, rows = compared(0.95, 0.9, 0.8)
    assert picked(rows, summaries[0]) == ""
    said = verdict(summaries, rows)
    assert said.startswith("Best: no dropout.")
    assert "nearest is input at rate 0.5, -4.9" in said
    assert gain(summaries, rows, ACCURACY).startswith("input at rate 0.5, -4.9")


def test_titles_of_a_comparison_follow_from_the_run():
    summaries, rows = compared(0.7, 0.9, 0.8)
    none = next(one for one in summaries if one.point.placement == "none")
    assert figures.scores(none, rows, "").alt.startswith(
        "Highest mean test accuracy with dropout: 90.07 %, input at rate 0.5; without: 70.00 %. "
    )
    summaries, rows = compared(0.7, 0.8, 0.9)
    assert "90.00 %, logits at rate 0.5" in figures.scores(none, rows, "").alt
    tied = tables.summarise(POINTS, measured(np.array([0.7, 0.75, 0.75]) + SEEDS))
    rows = {"input": tied[:1], "logits": tied[1:2]}
    alt = figures.scores(none, rows, "").alt
    assert "input at rate 0.5 and logits at rate 0.5; without" in alt
    assert "A panel for each of 2 placements, by rate." in alt
    assert "each of 1 placement, by" in figures.scores(none, {"input": tied[:1]}, "").alt


def test_those_who_cannot_see_a_comparison_hear_its_numbers():
    def alts(*accuracies):
        summaries, rows = compared(*accuracies)
        none = next(one for one in summaries if one.point.placement == "none")
        drawn = cells("", rows, summaries[0], ""), figures.scores(none, rows, "")
        return [re.sub(r"(\.\d)\d|( ±) [0-9.]+", r"\1\2", picture.alt) for picture in drawn]

    grid, scores = alts(0.7, 0.9, 0.8)
    assert "of 2 placements and rates; better than no dropout: 2; worse: 0; not decided: 0." in grid
    assert grid.endswith("Worst: logits at rate 0.5, +10.0 ± percentage points.")
    assert "The best differs from no dropout by +20.0 ± percentage points; worst is " in scores
    assert scores.endswith("worst is logits at rate 0.5: 80.0 %.")
    grid, scores = alts(0.7, 0.6, 0.9)
    assert "better than no dropout: 1; worse: 1; not decided: 0." in grid
    assert grid.endswith("Worst: input at rate 0.5, -9.9 ± percentage points.")
    assert scores.endswith("worst is input at rate 0.5: 60.0 %.")


def test_those_who_cannot_see_how_a_comparison_learns_hear_where_it_ends():
    def alt(*accuracies):
        result, placed = measured(np.array(accuracies) + SEEDS), {"input": [1], "logits": [2]}
        return figures.curves(POINTS, result, placed, "").alt

    assert alt(0.7, 0.9, 0.8).endswith(
        "On the test input at rate 0.5 ends best, at 90.00 %; without dropout it is 70.00 %."
    )
    assert "On the test logits at rate 0.5 ends best, at 95.00 %" in alt(0.7, 0.9, 0.95)


def said(config, *metrics):
    """The report of a comparison whose blocks came out so."""
    whole, arms = design(config), len(grid(config.arms.placements, config.arms.rates))
    states, images = np.zeros((2, arms), np.uint32), np.zeros((2, arms, 9), np.float32)
    of_images = {"test_accuracy": images, "test_nll": images}
    history = History(
        states, [Block(Measurement(one, images=of_images), states) for one in metrics]
    )
    looks = results.looks(whole, config.protocol, [2])
    return report(config, whole.cases[CASE], results.results(whole, looks, {CASE: history}))


def test_the_page_holds_verdict_table_and_command():
    arms, history = tiny.history()
    config = tiny.config()
    told = said(config, *history)
    html = told.figures()["report.html"].decode()
    assert told.sentence in html
    assert html.count("<tr>") == len(arms) + 1
    assert f'data-value="{told.tables[0].cells[0][2].value!r}"' in html
    assert told.conclusion.command == in_shell("compare", config)
    assert told.conclusion.command in html


@pytest.mark.parametrize(("before", "after", "words"), [
    (0.8, 0.8, "identical, to the last bit"),
    (0.8, 0.9, "differ, by up to 10.00 points"),
])  # fmt: skip
def test_it_is_said_whether_before_and_after_the_activation_are_one(before, after, words):
    config = tiny.config(rates=(0.5,), placements=("before-activation", "after-activation"))
    metrics = Metrics(*np.tile(np.array([0.7, before, after], np.float32), (4, 2, 1)))
    assert words in said(config, *[metrics] * 3).lines[2]


def test_the_command_gives_the_configuration_back():
    for config in (Compare(), tiny.config("tanh", weight_decay=0.5)):
        words = shlex.split(in_shell("compare", config))[4:]
        assert tyro.cli(Compare, args=words, config=(tyro.conf.OmitArgPrefixes,)) == config
