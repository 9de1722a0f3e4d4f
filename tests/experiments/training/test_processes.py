"""Real processes on this machine, connected over loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from filelock import FileLock

from experiments import cli
from experiments.runs import tolerance
from experiments.runs.folder import LOCK, MANIFEST, PROGRESS
from tests.experiments.tiny import ARGUMENTS

COMPARE = ["compare", *ARGUMENTS, "--placements", "input", "--rates", "0.5", "--seeds", "3"]


def free_port():
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


def start(folder, *arguments, count=2, command=COMPARE):
    """The same command in each of so many processes, of one device each."""
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "1", "XLA_FLAGS": ""}
    address = ["--coordinator", f"localhost:{free_port()}", "--processes", str(count)]
    common = [sys.executable, "-m", "experiments", *command, *arguments, *address]
    output = ["--output", str(folder)] if command is COMPARE else [str(folder)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [
        subprocess.Popen([*common, *output, "--process-id", str(i)], env=environment, **pipes)
        for i in range(count)
    ]


def ended(processes, seconds=300):
    said = [process.communicate(timeout=seconds) for process in processes]
    return [process.returncode for process in processes], said


def manifest(folder):
    return json.loads((folder / MANIFEST).read_text())


@pytest.mark.slow
def test_two_processes_do_what_one_does(tmp_path):
    status, said = ended(start(tmp_path / "two", "--checkpoint-every", "0"))
    assert status == [0, 0], said
    assert "Where should dropout stand?" in said[0][0]
    assert "Where" not in said[1][0]
    assert cli.main([*COMPARE, "--output", str(tmp_path / "one")]) == 0
    one, two = manifest(tmp_path / "one"), manifest(tmp_path / "two")
    inputs, outcomes = ([m[k]["networks"] for m in (one, two)] for k in ("cases", "outcomes"))
    assert inputs[0]["inputs"] == inputs[1]["inputs"]
    assert outcomes[0]["fresh"] == outcomes[1]["fresh"]
    assert two["environment"]["process_count"] == two["environment"]["device_count"] == 2
    results = [(tmp_path / name / "results.csv").read_bytes() for name in ("one", "two")]
    distance = tolerance.distance(results[0], results[1], 3, 0.01)
    assert distance.points == 0
    assert distance.others < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_the_death_of_a_process_ends_the_other_within_a_minute(tmp_path, victim):
    """Where process 0 dies, the runtime of JAX may be first to end the other, in its words."""
    processes = start(tmp_path, "--epochs", "200000", "--checkpoint-every", "1")
    until(lambda: any((tmp_path / PROGRESS).glob("chunk 1 of 1/[0-9]*")))
    processes[victim].kill()
    begun = time.monotonic()
    _, errors = processes[1 - victim].communicate(timeout=120)
    assert time.monotonic() - begun < 60
    status = processes[1 - victim].returncode
    if victim == 0 and status == -signal.SIGABRT:
        assert "leader task" in errors
    else:
        assert status == 2
        assert "Expected all 2 processes to go on" in errors
    assert not (tmp_path / MANIFEST).exists()
    processes[victim].communicate()


@pytest.mark.slow
def test_two_processes_resume_what_they_began(tmp_path):
    status, said = ended(start(tmp_path / "whole", "--epochs", "40"))
    assert status == [0, 0], said
    processes = start(tmp_path / "cut", "--epochs", "40", "--checkpoint-every", "0")
    until(lambda: any((tmp_path / "cut" / PROGRESS).glob("chunk 1 of 1/[0-9]*")))
    processes[1].send_signal(signal.SIGINT)
    status, said = ended(processes)
    assert status == [130, 130], said
    status, said = ended(start(tmp_path / "cut", command=["resume"]))
    assert status == [0, 0], said
    for name in ("results.csv", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_a_folder_in_use_is_refused_by_all(tmp_path):
    (tmp_path / PROGRESS).mkdir()
    with FileLock(tmp_path / PROGRESS / LOCK):
        status, said = ended(start(tmp_path))
    assert status == [2, 2], said
    assert "another process that works on it" in said[0][1]


def until(holds, seconds=120):
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds
        time.sleep(0.05)


BAD = {
    "alone": (["--coordinator", "localhost:1"], "all of --coordinator"),
    "half": (["--processes", "2", "--process-id", "0"], "all of --coordinator"),
    "none": (
        ["--coordinator", "localhost:1", "--processes", "0", "--process-id", "0"],
        "--processes of 1 or more; got 0",
    ),
    "beyond": (
        ["--coordinator", "localhost:1", "--processes", "2", "--process-id", "2"],
        "--process-id from 0 to 1; got 2",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_addresses(tmp_path, capsys, arguments, message):
    assert cli.main([*COMPARE, "--output", str(tmp_path / "run"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_where_jax_knows_no_cluster_it_says_what_to_pass(tmp_path, capsys, monkeypatch):
    assert cli.main([*COMPARE, "--output", str(tmp_path / "run"), "--distributed"]) == 2
    said = capsys.readouterr().err
    assert "Expected to join a cluster" in said
    assert "--coordinator" in said
