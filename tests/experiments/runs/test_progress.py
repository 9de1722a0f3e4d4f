"""How far a command is: lines where there is no terminal, and the time left by an honest pace."""

import io
import time

import pytest
from rich.console import Console

from experiments.runs import progress
from experiments.runs.execute import train
from experiments.runs.progress import Progress, shown
from experiments.runs.watch import Watch, Work, speed
from experiments.training import sweep
from experiments.training.sweep import Moment
from tests.experiments import tiny
from tests.experiments.conftest import EPOCHS


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_time_left_is_known_once_something_is_done_and_leaves_out_what_only_comes_first(clock):
    working = Progress(100)
    assert working.left is None
    clock[0] = 20
    working.leave_out(20, 10)
    working.at("a", 10)
    assert working.left is None
    clock[0] = 30
    working.at("a", 20)
    assert working.left == pytest.approx(80)
    assert working.line == "a: 20% done, 80 seconds left"
    working.to_come = 7
    assert working.left == pytest.approx(87)


def test_all_is_done_only_when_what_comes_last_is(clock):
    working = Progress(1000)
    clock[0] = 30
    working.at("a", 998)
    assert working.line.startswith("a: 99% done, ")
    working.at("a", 1000)
    assert working.line == "a: 99% done, measuring"
    working.end()
    assert working.line.startswith("a: 100% done")


def test_how_long_it_will_take_is_said_once_and_only_if_that_is_long(clock, capsys):
    for done, time_left in ((10, "9 seconds"), (2, "49 seconds")):
        said = f"Look 2, as it is set, will take about {time_left} here."
        working = Progress(100, "Look 2")
        clock[0] += 1
        working.at("a", done)
        working.at("a", done + 1)
        assert capsys.readouterr().err.count(said) == (done == 2)


def test_a_line_now_and_then_where_there_is_no_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.01)
    with shown(4) as working:
        working.leave_out(0, 1)
        working.at("Training [mlp]", 1)
        time.sleep(0.1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert lines[-1] == "Training [mlp]: 25% done, time left not known yet"


def test_a_bar_on_a_terminal(monkeypatch):
    screen = io.StringIO()
    options = {"file": screen, "force_terminal": True, "width": 120, "_environ": {"TERM": "xterm"}}
    monkeypatch.setattr(progress, "Console", lambda file: Console(**options))
    with shown(4) as working:
        working.at("Training mlp", 1)
    assert "Training mlp" in screen.getvalue()
    assert "25%" in screen.getvalue()


def watched(task, moments, others=0):
    work = Work.of("mlp", task)
    working = Progress(3 * work.whole)
    watch = Watch(work, working, others)
    for moment in moments:
        watch(moment)
    return watch, working


def test_neither_speed_nor_time_left_counts_compilation_or_what_was_kept(clock):
    task = tiny.task(tiny.config())
    epoch, networks = 60, task.layout.rows * task.layout.group
    first = [Moment(0, 2, 1, 50.0), Moment(0, 2, 0, 30.0)]  # of 3 epochs one was kept
    assert speed([watched(task, first)[0]]) == "too few epochs to tell a speed"
    clock[0] = 0
    watch, working = watched(task, first, others=2)
    assert (working.left, working.to_come) == (None, 160)
    clock[0] = 84
    watch(Moment(0, 3, 1, 4.0))
    assert working.done == 3 * epoch * networks
    assert (watch.examples, watch.seconds) == (epoch * networks, 4.0)
    assert working.left == pytest.approx(2 * 3 * 4 + 160)


def test_time_left_does_not_count_what_networks_start_from(clock):
    task = tiny.task(tiny.config())
    watch, working = watched(task, [])
    clock[0] = 60
    watch(Moment(0, 1, 1, 50.0))  # ten seconds went into that
    clock[0] = 64
    watch(Moment(0, 2, 1, 4.0))
    assert working.left == pytest.approx((3 * 3 - 2) * 4)


def test_a_line_says_the_arms_the_chunk_and_the_epoch():
    task = tiny.task(tiny.config(), 8)
    watch, working = watched(task, [Moment(1, 2, 1, 1.0)])
    chunks, layout = task.layout.chunks, task.layout
    networks = layout.chunk * layout.group, layout.in_chunk(1)
    assert working.done == 60 * (3 * networks[0] + 2 * networks[1])
    assert chunks > 1
    assert working.what == f"Training mlp: 15 arms × 2 seeds, chunk 2 of {chunks}, epoch 2 of 3"
    watch.end()  # as if the rest were there from before
    assert working.what.endswith(f"chunk {chunks} of {chunks}, epoch 3 of 3")
    assert working.done == Work.of("mlp", task).whole


def test_training_tells_of_every_epoch_and_ends_at_the_whole(monkeypatch, capsys):
    monkeypatch.setattr(sweep, "CALL", 0)
    seen, at = [], Progress.at
    monkeypatch.setattr(Progress, "at", lambda self, *a: seen.append(a[1]) or at(self, *a))
    task = tiny.task(tiny.config(rates=(0.5,), placements=("input",), epochs=EPOCHS))
    train([{"mlp": task}], lambda _: True, sweep.Checkpoints())
    assert {EPOCHS * done / Work.of("mlp", task).whole for done in seen} == {*range(EPOCHS + 1)}
    assert "without compilation. Peak memory" in capsys.readouterr().err
