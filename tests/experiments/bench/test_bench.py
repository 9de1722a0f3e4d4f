"""The benchmark measures what it says: real dropouts, in turn, compared with the right one."""

import json
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.bench import (
    compile_time,
    import_time,
    large_steps,
    measure,
    report,
    sections,
    training_step,
)
from experiments.bench.candidates import (
    CANDIDATES,
    DROPOUTS,
    FACTORIES,
    dropout_of,
    installed,
    off,
)
from experiments.bench.options import Bench, parse_shape
from experiments.bench.programs import Case, Dtype, Kind, Program, jax_inputs
from experiments.bench.torch_peer import torch_device
from experiments.cli import main
from experiments.errors import InputError
from jaxdrop import dropout

LIBRARIES = {
    "flax-nnx": "flax",
    "flax-linen": "flax",
    "haiku": "haiku",
    "equinox": "equinox",
    "keras": "keras",
    "torch": "torch",
}
JAX_DROPOUTS = [name for name in FACTORIES if name != "copy"]
SMALL = ("--shapes", "8x8", "--repeats", "2", "--batches", "4", "--sites", "1")


def case(kind: Kind = "forward-backward", dtype: Dtype = "float32"):
    return Case((64, 64), dtype, kind, 0.25, "cpu")


def prepare(name, case):
    if find_spec(LIBRARIES.get(name, "jaxdrop")) is None:
        pytest.skip(f"{name} is not installed")
    return CANDIDATES[name].prepare(case)


def hide(monkeypatch, *modules):
    """As if these were not installed, for the benchmark alone: tyro looks for torch too."""

    def hidden(name):
        if name in modules:
            raise ModuleNotFoundError(f"No module named '{name}'")
        return import_module(name)

    for module in ("candidates", "torch_peer"):
        monkeypatch.setattr(f"experiments.bench.{module}.import_module", hidden)


@pytest.fixture
def lenient():
    """Haiku promotes ranks and dtypes, which the tests of jaxdrop forbid."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", JAX_DROPOUTS)
def test_a_jax_candidate_drops_and_its_gradient_is_the_mask_times_the_scale(name, dtype):
    setting = case(dtype=dtype)
    y, gradient = map(np.asarray, prepare(name, setting).call())
    x, cotangent = map(np.asarray, jax_inputs(setting)[1:])
    mask = y != 0
    assert abs(1 - mask.mean() - 0.25) < 5 * (0.25 * 0.75 / mask.size) ** 0.5
    assert y.dtype == gradient.dtype == dtype
    for result, given in ((y, x), (gradient, cotangent)):
        expected = np.where(mask, given.astype("float32") / 0.75, 0)
        np.testing.assert_allclose(result.astype("float32"), expected, rtol=1e-2)


def test_torch_drops_and_its_gradient_is_the_mask_times_the_scale(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "randn", torch.ones)
    y, gradient = (each.detach().numpy() for each in prepare("torch", case()).call())
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.04
    np.testing.assert_array_equal(y, gradient)


def test_the_copy_reads_and_writes_everything():
    _, x, cotangent = jax_inputs(case())
    y, gradient = prepare("copy", case()).call()
    np.testing.assert_array_equal(y, 2 * np.asarray(x))
    np.testing.assert_array_equal(gradient, 2 * np.asarray(cotangent))


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("kind", ["forward", "forward-backward"])
@pytest.mark.parametrize("name", JAX_DROPOUTS)
def test_nothing_is_known_before_the_call(name, kind, monkeypatch):
    compiled = []
    monkeypatch.setattr(
        "experiments.bench.programs.compile_program", lambda *given: compiled.append(given)
    )
    prepare(name, case(kind))
    function, given, _ = compiled[-1]
    assert [each.shape for each in given] == [(), (64, 64), (64, 64)][: len(given)]
    assert len(given) == (2 if kind == "forward" else 3)
    run, other = jax.jit(function), (jax.random.key(7), *given[1:])
    first, second = (jax.tree.leaves(run(*each))[0] for each in (given, other))
    assert not np.array_equal(first, second)


def test_a_missing_peer_is_named_with_the_reason(monkeypatch):
    hide(monkeypatch, "haiku")
    found, missing = installed(["copy", "jaxdrop-8", "haiku"], "cpu")
    assert [candidate.name for candidate in found] == ["copy", "jaxdrop-8"]
    assert list(missing) == ["haiku"]
    assert "haiku" in missing["haiku"]


def test_our_own_failure_is_not_taken_for_a_missing_library(monkeypatch):
    monkeypatch.setattr("jaxdrop.dropout", None)
    with pytest.raises(TypeError):
        installed(["jaxdrop-8"], "cpu")


def test_without_any_peer_it_stops_with_one_message(monkeypatch, capsys, tmp_path):
    hide(monkeypatch, "flax.nnx", "flax.linen", "haiku", "equinox.nn", "keras", "torch")
    assert main(["bench", "--output", str(tmp_path / "run"), "--smoke"]) == 2
    output, message = capsys.readouterr()
    assert output == ""
    assert message.startswith("error: Expected a library to compare with; got none: ")
    assert all(name in message for name in LIBRARIES)
    assert "jaxdrop[bench]" in message
    assert message.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shapes", "8xx8"], "--shapes like 4096x4096; got '8xx8'"),
        (["--shapes", "0x8"], "--shapes like 4096x4096; got '0x8'"),
        (["--shapes", "65536x32768"], "fewer than 2**31 elements"),
        (["--rate", "1.5"], "--rate above 0 and below 1; got 1.5"),
        (["--rate", "nan"], "--rate above 0 and below 1; got nan"),
        (["--repeats", "0"], "--repeats of 1 or more; got 0"),
        (["--sites", "0"], "--sites of 1 or more; got 0"),
        (["--batches", "8", "0"], "--batches of 1 or more; got 0"),
        (["--candidates"], "at least one of --candidates; got none"),
        (["--device", "tpu"], "a device of --device tpu; got cpu alone"),
    ],
)
def test_bad_input_is_named_with_status_2(arguments, message, capsys, tmp_path):
    assert main(["bench", *arguments, "--output", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_run_is_replaced_only_when_told_to(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    assert main(["bench", "--smoke", "--output", str(tmp_path)]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "run"
    candidates = ("--candidates", "copy", "jaxdrop-8", "jaxdrop-16", "flax-nnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_time, "import_once", lambda module: 0.5)
        patch.setattr(jax, "clear_caches", lambda: None)  # other tests' programs stay
        patch.setattr(compile_time.gc, "collect", lambda: None)
        patch.setattr(measure, "SAMPLE_SECONDS", 0)
        assert main(["bench", *SMALL, *candidates, "--output", str(folder)]) == 0
    return folder


def test_the_run_folder_holds_all_files(run):
    names = {path.name for path in run.iterdir()}
    assert names == {"bench.json", "bench.svg", "table.md", "config.json", "manifest.json"}
    assert (run / "bench.svg").read_bytes().startswith(b"<?xml")


def test_the_json_holds_every_sample_of_every_candidate(run):
    results = json.loads((run / "bench.json").read_text())
    assert results["config"]["repeats"] == 2
    assert results["environment"]["versions"]["jax"] == jax.__version__
    assert results["missing"] == {}
    rows = results["sections"]
    combinations = {(r["dtype"], r["kind"], r["candidate"]) for r in rows["dropout"]}
    assert len(combinations) == len(rows["dropout"]) == 2 * 2 * 4
    dropouts = {
        section: [row["dropout"] for row in rows[section]]
        for section in ("training-step", "compile-time")
    }
    assert dropouts["training-step"] == ["off", "jaxdrop-8", "jaxdrop-16", "flax-nnx"]
    assert dropouts["compile-time"] == ["off", "jaxdrop-16", "flax-nnx"]
    assert [r["module"] for r in rows["import-time"]] == list(sections.MODULES)
    for row in (row for section in rows.values() for row in section):
        assert len(row["seconds"]) == 2
        assert row["minimum"] == min(row["seconds"]) > 0
        assert row["median"] == pytest.approx(np.median(row["seconds"]))


def test_the_markdown_holds_a_line_for_each_candidate(run):
    text = (run / "table.md").read_text()
    for title in ("8×8 float32", "8×8 bfloat16", "Training step", "Compilation", "Import"):
        assert title in text
    assert sum(line.startswith("| jaxdrop-16 |") for line in text.splitlines()) == 2 + 2
    assert f"jax {jax.__version__} on cpu" in text


def test_explicit_candidates_need_no_peer(tmp_path, capsys):
    selected = ("--candidates", "jaxdrop-8", "--sections", "dropout", "--dtypes", "float32")
    assert main(["bench", *SMALL, *selected, "--output", str(tmp_path / "run")]) == 0
    row = json.loads((tmp_path / "run" / "bench.json").read_text())["sections"]["dropout"][0]
    assert row["times_copy"] is row["faster_than_jax_peers"] is None
    assert "–" in capsys.readouterr().out


def fake(name, log, queues=False):
    return Program(lambda: log.append(name), lambda _: log.append(f"{name} waited"), queues)


def test_candidates_take_turns(monkeypatch):
    monkeypatch.setattr(measure, "SAMPLE_SECONDS", 0)
    log, ticks = [], []
    programs = {name: fake(name, log, queues=True) for name in "ABC"}
    seconds = measure.interleave(programs, 3, lambda: ticks.append(len(log)))
    calls = [entry for entry in log if len(entry) == 1]
    assert calls == [*"AABBCC" * (1 + 3)]  # a call that is not timed, then the sample
    assert [len(each) for each in seconds.values()] == [3, 3, 3]
    assert len(ticks) == 9


@pytest.mark.parametrize(("queues", "waits"), [(True, 1), (False, 3 + 1)])
def test_a_sample_waits_for_every_call_unless_the_device_queues_them(queues, waits):
    log = []
    measure.sample(fake("A", log, queues), calls=3)
    assert log.count("A") == 3
    assert log.count("A waited") == waits
    assert log[-1] == "A waited"


def test_seconds_are_for_one_call(monkeypatch):
    clock = iter([10.0, 16.0])
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    assert measure.sample(fake("A", []), calls=3) == 2.0


@pytest.mark.parametrize(("seconds", "calls"), [(1.0, 1), (0.5, 1), (0.004, 5), (0.006, 4)])
def test_short_calls_share_a_sample(monkeypatch, seconds, calls):
    monkeypatch.setattr(measure, "SAMPLE_SECONDS", 0.02)
    monkeypatch.setattr(measure, "sample", lambda program: seconds)
    assert measure.calls_per_sample(fake("A", [])) == calls


def test_a_result_is_freed_before_the_next_sample_begins(monkeypatch):
    alive = []

    class Result:
        def __init__(self):
            alive.append(self)
            assert len(alive) == 1

        def freed(self):
            alive.remove(self)

    class Handle:
        def __init__(self):
            self.result = Result()

        def __del__(self):
            self.result.freed()

    monkeypatch.setattr(measure, "SAMPLE_SECONDS", 0)
    program = Program(Handle, lambda _: None)
    measure.interleave({"A": program, "B": program}, 2)


def test_a_summary_is_median_minimum_and_distance_of_the_quartiles():
    assert measure.summary([5.0, 1.0, 2.0, 3.0, 4.0]) == measure.Summary(3.0, 1.0, 2 / 3)


def test_ratios_are_to_the_copy_and_to_the_fastest_peer():
    seconds = {"copy": [2.0], "ours": [3.0], "slow": [12.0], "fast": [9.0], "torch": [6.0]}
    groups = {
        "copy": "limit",
        "ours": "ours",
        "slow": "jax-peer",
        "fast": "jax-peer",
        "torch": "peer",
    }
    rows = {row["candidate"]: row for row in sections.compare(seconds, groups)}
    assert rows["ours"]["times_copy"] == 1.5
    assert rows["ours"]["faster_than_jax_peers"] == 3.0
    assert rows["ours"]["faster_than_peers"] == 2.0
    assert rows["slow"]["faster_than_jax_peers"] == 0.75
    assert rows["torch"]["faster_than_peers"] == 1.0


def test_the_tax_is_taken_round_by_round():
    drifting = [1.0, 2.0, 4.0]
    overhead = measure.paired_overhead([1.1, 2.2, 4.4], drifting)
    assert overhead.median == pytest.approx(0.1)
    assert overhead.spread == pytest.approx(0)


inputs = jax.jit(training_step.inputs, static_argnums=0)


def counting(calls):
    def apply(key, x):
        calls.append(x.shape)
        return off(key, x)

    return apply


def test_a_training_step_drops_twice_and_learns():
    calls, (key, params, batch) = [], inputs(8)
    step = jax.jit(training_step.step, static_argnums=0)
    new, before = step(counting(calls), key, params, batch)
    _, after = step(off, key, new, batch)
    assert calls == [(8, 1024), (8, 1024)]
    assert after < before


def test_the_training_step_applies_the_dropout_of_each_candidate():
    key, params, batch = inputs(8)
    names = ("jaxdrop-16", "flax-nnx", "jaxdrop-32")
    applies = {"off": off} | {name: FACTORIES[name][1](0.5, "float32") for name in names}
    loss = training_step.loss
    losses = jax.jit(lambda *given: {name: loss(drop, *given) for name, drop in applies.items()})(
        key, params, batch
    )
    assert losses["jaxdrop-32"] == pytest.approx(losses["flax-nnx"])  # one mask: the same work
    assert losses["jaxdrop-32"] != pytest.approx(losses["jaxdrop-16"])
    assert losses["jaxdrop-32"] != pytest.approx(losses["off"])


def test_large_steps_are_timed_beside_the_step_without_dropout(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "SAMPLE_SECONDS", 0)
    monkeypatch.setitem(large_steps.SHAPES, "mlp", (16, 8))
    monkeypatch.setitem(large_steps.WEIGHTS, "mlp", ((8, 32), (32, 8)) * 2)
    chosen = ["--steps", "mlp", "--candidates", "copy", "jaxdrop-16", "flax-nnx", "--repeats", "1"]
    output = ["--output", str(tmp_path / "run")]
    assert main(["bench", "--sections", "large-steps", *chosen, *output]) == 0
    rows = json.loads((tmp_path / "run" / "bench.json").read_text())["sections"]["large-steps"]
    assert [row["dropout"] for row in rows] == ["off", "jaxdrop-16", "flax-nnx", "flax-nnx rbg"]
    off, *others = rows
    assert off["tax"] == 0
    for row in others:
        assert row["tax"] == row["seconds"][0] / off["seconds"][0] - 1


def test_a_label_stands_for_its_dropout_and_the_generator_of_its_key():
    key, x = jax.random.key(0), jnp.ones((16, 16))
    drop = {label: dropout_of(label, 0.3, "float32") for label in ("off", *DROPOUTS)}
    assert {name for name, (_, generator) in drop.items() if generator == "rbg"} == {"flax-nnx rbg"}
    dropped = jax.jit(lambda x: {label: apply(key, x) for label, (apply, _) in drop.items()})(x)
    for bits in (8, 16, 32):
        np.testing.assert_array_equal(dropped[f"jaxdrop-{bits}"], dropout(key, x, 0.3, bits=bits))
    for same, as_this in (("off", x), ("copy", 2 * x), ("flax-nnx", dropped["jaxdrop-32"])):
        np.testing.assert_array_equal(dropped[same], as_this)


def test_a_large_step_drops_after_every_product_and_learns(monkeypatch):
    monkeypatch.setitem(large_steps.SHAPES, "mlp", (16, 8))
    monkeypatch.setitem(large_steps.WEIGHTS, "mlp", ((8, 32), (32, 8)) * 2)
    calls, (key, weights, x) = [], jax.jit(lambda: large_steps.arguments("mlp", "rbg"))()
    x = 32 * np.asarray(x)
    new, before = jax.jit(large_steps.program("mlp", counting(calls)))(key, weights, x)
    _, after = jax.jit(large_steps.program("mlp", off))(key, new, x)
    assert calls == [(16, 32), (16, 8)] * 2
    assert after < before
    assert str(jax.random.key_impl(key)) == "rbg"


def test_a_model_is_traced_anew_with_all_its_sites(monkeypatch):
    """Each time nothing is left over."""
    calls, cleared, collected = [], [], []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(len(calls)))
    monkeypatch.setattr(compile_time.gc, "collect", lambda: collected.append(len(calls)))
    seconds = compile_time.interleave({"counted": counting(calls)}, sites=3, repeats=2)
    site = (compile_time.BATCH, compile_time.WIDTH)
    assert calls == [site] * (1 + 3 * 2)  # a small model to warm up, then two
    assert cleared == collected == [0, 1, 4]
    assert len(seconds["counted"]) == 2
    assert min(seconds["counted"][0]) > 0


def test_imports_are_timed_in_turn_after_a_warm_up(monkeypatch):
    imported = []
    monkeypatch.setattr(import_time, "import_once", lambda module: imported.append(module) or 1.0)
    assert import_time.interleave(("a", "b"), 1) == {"a": [1.0], "b": [1.0]}
    assert imported == ["a", "b", "a", "b"]


def test_an_import_takes_time_and_brings_jax():
    assert 0 < import_time.import_once("jaxdrop")


def test_a_shape_is_read():
    assert parse_shape("64x512x512") == (64, 512, 512)
    with pytest.raises(InputError, match="Join the sizes with an x"):
        parse_shape("64,512")


def test_smoke_keeps_what_was_selected():
    chosen = Bench(smoke=True, dtypes=("bfloat16",), candidates=("copy",)).resolved()
    assert chosen.dtypes == ("bfloat16",)
    assert chosen.candidates == ("copy",)
    assert chosen.repeats < Bench().repeats


@pytest.mark.parametrize(
    ("platform", "cuda", "name"), [("cpu", False, "cpu"), ("gpu", True, "cuda")]
)
def test_torch_runs_where_jax_does(platform, cuda, name):
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: cuda))
    assert torch_device(torch, platform) == name  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_torch_without_the_device_is_missing(platform):
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))
    with pytest.raises(ImportError, match=f"does not run on {platform}"):
        torch_device(torch, platform)  # pyright: ignore[reportArgumentType]


def test_numbers_keep_three_digits_and_gaps_are_dashes():
    cells = [report.milliseconds({"median": seconds}) for seconds in (0.31944, 0.0531, 1.22e-5)]
    assert [cell.text for cell in cells] == ["319", "53.1", "0.0122"]
    assert report.number(None).text == "–"
