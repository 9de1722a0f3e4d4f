"""What optimized programs do is read off rightly, and the command says what it compiled."""

import json
import shutil
import sys
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from experiments.bench import compiled, large_steps, optimized, targets
from experiments.bench.candidates import FACTORIES
from experiments.bench.compiled import Comparison
from experiments.bench.options import COMPILED_SHAPES, SHAPES, Bench, parse_shape
from experiments.cli import main

TPU = """
HloModule jit_f, is_scheduled=true, entry_computation_layout={(bf16[64,32]{1,0})->bf16[64,32]{1,0}}

%fused_computation.1 (param_0: bf16[64,32]) -> bf16[64,32] {
  %param_0 = bf16[64,32]{1,0:T(8,128)(2,1)} parameter(0)
  ROOT %multiply.1 = bf16[64,32]{1,0:T(8,128)(2,1)} multiply(%param_0, %param_0)
}

%body.1 (arg: (s32[], bf16[64,32])) -> (s32[], bf16[64,32]) {
  %arg = (s32[]{:T(128)}, bf16[64,32]{1,0:T(8,128)(2,1)}) parameter(0)
  %get-tuple-element.1 = bf16[64,32]{1,0:T(8,128)(2,1)} get-tuple-element(%arg), index=1
  %fusion.1 = bf16[64,32]{1,0:T(8,128)(2,1)} fusion(%get-tuple-element.1), kind=kLoop, calls=%fused_computation.1, metadata={op_name="jit(f)/while"}, backend_config={"window_config":{"estimated_cycles":"100","iteration_bounds":["1"]}}
}

%condition.1 (arg.1: (s32[], bf16[64,32])) -> pred[] {
  %constant.1 = s32[]{:T(128)} constant(3)
  %get-tuple-element.2 = s32[]{:T(128)} get-tuple-element(%arg.1), index=0
  ROOT %lt.0 = pred[]{:T(512)} compare(%get-tuple-element.2, %constant.1), direction=LT
}

ENTRY %main.2 (x.1: bf16[64,32]) -> bf16[64,32] {
  %x.1 = bf16[64,32]{1,0:T(8,128)(2,1)} parameter(0)
  %xor.1 = u32[]{:T(128)S(6)} xor(%constant.9, %constant.9)
  %slice-start = ((bf16[64,32]{1,0}), bf16[32,32]{1,0:T(8,128)S(1)}, s32[]{:S(2)}) slice-start(%x.1), slice={[0:32], [0:32]}
  %slice-done = bf16[32,32]{1,0:T(8,128)S(1)} slice-done(%slice-start)
  %copy.1 = bf16[64,32]{0,1:T(8,128)(2,1)} copy(%x.1), backend_config={"window_config":{"estimated_cycles":"7"}}
  %copy.2 = bf16[8,32]{0,1:T(8,128)(2,1)} copy(%small), backend_config={"window_config":{"estimated_cycles":"1"}}
  %reshape.1 = bf16[32,64]{1,0:T(8,128)(2,1)} reshape(%copy.1)
  %while = (s32[]{:T(128)}, bf16[64,32]{1,0:T(8,128)(2,1)}) while(%tuple.1), condition=%condition.1, body=%body.1
  %get-tuple-element.3 = bf16[64,32]{1,0:T(8,128)(2,1)} get-tuple-element(%while), index=1
  ROOT %fusion.2 = bf16[64,32]{1,0:T(8,128)(2,1)} fusion(%get-tuple-element.3, /*index=1*/%copy.1), kind=kLoop, calls=%fused_computation.1, backend_config={"window_config":{"estimated_cycles":"1000"}}
}
"""  # noqa: E501
GPU = """
%fused_xor (param_0.1: u32[2]) -> (u32[64,4], u32[]) {
  %param_0.1 = u32[2]{0} parameter(0)
  %iota.1 = u32[64,4]{1,0} iota(), iota_dimension=0
  %shift-left.1 = u32[64,4]{1,0} shift-left(%iota.1, %broadcast.1)
  %shift-right-logical.1 = u32[64,4]{1,0} shift-right-logical(%iota.1, %broadcast.2)
  %or.1 = u32[64,4]{1,0} or(%shift-left.1, %shift-right-logical.1)
  %or.2 = u32[64,4]{1,0} or(%or.1, %iota.1)
  %multiply.9 = f32[64,4]{1,0} multiply(%f, %f)
  ROOT %tuple.9 = (u32[64,4]{1,0}, u32[]) tuple(%or.2, %k)
}

%wrapped_transpose_computation (param_0.2: bf16[64,32]) -> bf16[32,64] {
  %param_0.2 = bf16[64,32]{1,0} parameter(0)
  ROOT %transpose.1 = bf16[32,64]{1,0} transpose(%param_0.2), dimensions={1,0}
}

%branch (x: bf16[64,32]) -> bf16[32,64] {
  ROOT %wrapped_transpose = bf16[32,64]{1,0} fusion(%x), kind=kInput, calls=%wrapped_transpose_computation
}

%other (x.3: bf16[64,32]) -> bf16[32,64] {
  ROOT %add.5 = bf16[32,64]{1,0} add(%x.3, %x.3)
}

ENTRY %main.1 (k.1: u32[2], x.1: bf16[64,32]) -> bf16[32,64] {
  %k.1 = u32[2]{0} parameter(0), metadata={op_name="k"}
  %x.1 = bf16[64,32]{1,0} parameter(1)
  %loop_xor_fusion = (u32[64,4]{1,0}, u32[]) fusion(%k.1), kind=kLoop, calls=%fused_xor, metadata={op_name="jit(f)/xor"}
  %bitcast.1 = u8[64,4,4]{2,1,0} bitcast(%loop_xor_fusion)
  %while.1 = (s32[], u32[2]{0}) while(%tuple.2), condition=%c, body=%loop, backend_config={"known_trip_count":{"n":"5"}}
  ROOT %cond.1 = bf16[32,64]{1,0} conditional(%p, %x.1, %x.1), true_computation=%branch, false_computation=%other
}

%loop (arg.1: (s32[], u32[2])) -> (s32[], u32[2]) {
  %add.1 = u32[2]{0} add(%k.1, %k.1)
}
"""  # noqa: E501
ROW = {
    "cycles": 2000,
    "bytes": 96,
    "accessed_bytes": 128.0,
    "integer_operations": None,
    "temporary_bytes": 16,
    "elements": 64,
    "kernels": 3,
    "relayouts": {"copy": 2, "broadcast": 1},
    "compile_seconds": 1.25,
}


def kernels(text):
    return [(each.name, times) for each, times in optimized.parse(text).kernels()]


def test_a_tpu_program_runs_its_kernels_and_those_of_its_loops():
    names = [("copy.1", 1), ("copy.2", 1), ("reshape.1", 1), ("fusion.1", 3), ("fusion.2", 1)]
    assert kernels(TPU) == names
    assert optimized.cycles(optimized.parse(TPU)) == 7 + 1 + 3 * 100 + 1000


def test_a_gpu_program_runs_its_loops_and_every_branch():
    names = ["loop_xor_fusion", "add.1", "wrapped_transpose", "add.5"]
    assert kernels(GPU) == list(zip(names, (1, 5, 1, 1), strict=True))


def test_a_relayout_moves_half_an_array_and_nothing_else():
    tpu, gpu = optimized.parse(TPU), optimized.parse(GPU)
    assert optimized.relayouts(tpu, 64 * 32) == {"copy": 1, "reshape": 1}
    assert optimized.relayouts(tpu, 2 * 8 * 32) == {"copy": 2, "reshape": 1}
    assert optimized.relayouts(gpu, 64 * 32) == {"fusion": 1}
    assert optimized.relayouts(gpu, 3 * 64 * 32) == {}


def test_bytes_are_those_of_operands_and_results():
    x = 64 * 32 * 2
    # copy and reshape, the small copy (what it reads is not in the text), 3 turns, the last fusion
    assert optimized.moved_bytes(optimized.parse(TPU)) == 2 * 2 * x + x // 8 + 3 * 2 * x + 3 * x
    xor, turns = 8 + 64 * 4 * 4 + 4, 5 * 3 * 8
    assert optimized.moved_bytes(optimized.parse(GPU)) == xor + turns + 2 * x


def test_a_rotation_is_one_integer_operation():
    assert optimized.integer_operations(optimized.parse(GPU)) == 2 * 64 * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bf16[64,32]{1,0:T(8,128)(2,1)S(1)}", [(16, 2048)]),
        ("(pred[3]{0}, f8e4m3fn[2,2]{1,0}, u32[])", [(8, 3), (8, 4), (32, 1)]),
        ("c64[0,4]{1,0}", [(64, 0)]),
    ],
)
def test_the_arrays_of_a_type(text, expected):
    assert optimized.arrays(text) == expected


def test_what_jax_prints_here_is_read():
    """The texts above are of one version; this is of the one that is installed."""
    x = jnp.ones((64, 32))
    scan = jax.jit(lambda x: jax.lax.scan(lambda x, _: (jnp.sin(x), None), x, length=7)[0])
    program = optimized.parse(jax.jit(lambda x: x * 2).lower(x).compile().as_text() or "")
    assert optimized.moved_bytes(program) == 2 * x.nbytes
    assert [times for _, times in program.kernels()] == [1]
    turns = [t for _, t in optimized.parse(scan.lower(x).compile().as_text() or "").kernels()]
    assert max(turns) == 7


def comparison(program: Any = "forward", candidates=("copy", "jaxdrop-16", "flax-nnx", "torch")):
    return Comparison("v5e", program, (64, 64), "bfloat16", 0.1, candidates)


def test_a_step_is_compared_with_the_step_without_dropout():
    ours = ["jaxdrop-16", "flax-nnx", "flax-nnx rbg"]
    assert comparison().dropouts == ["copy", *ours]
    assert comparison("mlp").dropouts == ["off", *ours]


def test_flax_is_compiled_with_both_generators(monkeypatch):
    monkeypatch.setitem(FACTORIES, "flax-nnx", ("jax-peer", lambda rate, dtype: None))
    monkeypatch.setattr(
        compiled.topologies,
        "get_topology_desc",
        lambda **given: type("Topology", (), {"devices": jax.devices()}),
    )
    for dropout, generator in (("flax-nnx", "threefry2x32"), ("flax-nnx rbg", "rbg")):
        _, (key, _) = compiled.prepared(comparison(), dropout)
        assert key.dtype == jax.random.key(0, impl=generator).dtype


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("mlp", [(8192, 4096), (8192, 1024)] * 2),
        ("transformer", [(8, 1024, 1024)] * 2),
    ],
)
def test_a_step_drops_in_the_usual_places_and_returns_new_weights(name, dropped):
    calls = []

    def counting(key, x):
        calls.append(x.shape)
        return x

    weights, x = large_steps.inputs(name)
    key = jax.eval_shape(lambda: jax.random.key(0))
    new, loss = jax.eval_shape(large_steps.program(name, counting), key, weights, x)
    assert calls == dropped
    assert new == weights
    assert loss.shape == ()
    assert x.dtype == large_steps.DTYPE


def test_sections_have_shapes_of_their_own_unless_some_are_given():
    assert [shape for shape, _ in Bench().data("compiled")] == [*map(parse_shape, COMPILED_SHAPES)]
    assert {dtype for _, dtype in Bench().data("compiled")} == {"bfloat16"}
    timed = list(Bench().data("dropout"))
    assert len(timed) == 2 * len(SHAPES)
    for section in ("dropout", "compiled"):
        given = Bench(shapes=("8x8",), dtypes=("float32",)).data(section)
        assert list(given) == [((8, 8), "float32")]


def bench(folder, *arguments):
    return main(["bench", "--sections", "compiled", "--output", str(folder), *arguments])


@pytest.mark.parametrize(
    ("target", "packages", "line"),
    [
        ("v6e", "no libtpu.", 'pip install "jax[tpu]=='),
        ("h100", "no jax-cuda12-plugin and no jax-cuda12-pjrt.", '"jax[cuda12-local]=='),
    ],
)
def test_missing_packages_are_named_with_the_line_that_installs_them(
    monkeypatch, capsys, tmp_path, target, packages, line
):
    monkeypatch.setattr(targets, "is_installed", lambda package: False)
    assert bench(tmp_path / "run", "--targets", target) == 2
    output, message = capsys.readouterr()
    assert output == ""
    assert message.startswith(f"error: Expected a compiler for {target}; got {packages}")
    assert line + jax.__version__ in message
    assert message.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_unknown_target_is_refused(capsys, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        bench(tmp_path / "run", "--targets", "v99")
    assert "v99" in capsys.readouterr().err


@pytest.fixture
def installed(monkeypatch):
    """As if both compilers were there."""
    monkeypatch.setattr(targets, "is_installed", lambda package: True)
    monkeypatch.setattr(targets, "version", lambda package: "1.2.3")


@pytest.mark.usefixtures("installed")
def test_a_compiler_that_fails_is_one_message(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert bench(tmp_path / "run", "--targets", "v5e", "--smoke") == 2
    message = "Expected a compiler that works for v5e, 64x64 bfloat16, forward; got status 1"
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_the_tables_say_that_nothing_was_run(monkeypatch, capsys, tmp_path):
    def elsewhere(comparison):
        yield {"dropout": comparison.dropouts[0], **ROW}
        if comparison.target == "h100":
            figures = {"cycles": None, "integer_operations": 5 * 10**8, "bytes": 192}
            yield {"dropout": "jaxdrop-16", **ROW, **figures}
        else:
            yield {"dropout": "jaxdrop-16", "error": "Ran out of memory"}

    monkeypatch.setattr(compiled, "compiled_elsewhere", elsewhere)
    chosen = ("--candidates", "copy", "jaxdrop-16", "--shapes", "8x8", "--steps", "mlp")
    assert bench(tmp_path / "run", "--targets", "v5p", "h100", *chosen) == 0
    table = (tmp_path / "run" / "table.md").read_text()
    for target, compiler in (("v5p", "libtpu"), ("h100", "jax-cuda12-plugin")):
        for what in ("8x8 bfloat16, forward + backward", "8192x1024 bfloat16, mlp"):
            title = f"**{target}, {what} (compiled, not run: jax 1.2.3, {compiler} 1.2.3)**"
            assert title in table
    lines = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    assert ["", "copy", "2", "1.00", "1.00", "–", "0.25", "3", "3", "1.2", ""] in lines
    ours = ["", "jaxdrop-16", "–", "–", "2.00", "0.50", "0.25", "3", "3", "1.2", ""]
    assert ours in lines
    assert "Ran out of memory" in table
    assert "Medians" not in table
    rows = json.loads((tmp_path / "run" / "bench.json").read_text())["sections"]["compiled"]
    assert len(rows) == 2 * 3 * 2
    assert rows[-1]["dropout"] == "jaxdrop-16"
    assert rows[-1]["times_bytes"] == 2
    assert "compiled, not run" in capsys.readouterr().out


@pytest.mark.compiled
@pytest.mark.skipif(not targets.is_installed("libtpu"), reason="libtpu is not installed")
def test_the_command_compiles_for_a_tpu(tmp_path):
    chosen = ("--smoke", "--kinds", "forward", "--candidates", "copy", "flax-nnx")
    assert bench(tmp_path / "run", "--targets", "v5e", *chosen) == 0
    rows = json.loads((tmp_path / "run" / "bench.json").read_text())["sections"]["compiled"]
    assert [row["dropout"] for row in rows] == ["copy", "flax-nnx", "flax-nnx rbg"]
    assert rows[0]["times_cycles"] == rows[0]["times_bytes"] == 1
    assert min(row["cycles"] for row in rows) > 0
