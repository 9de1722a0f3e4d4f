"""What an optimized program does, counted in the text that XLA prints of it."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

HEAD = re.compile(r"(ENTRY )?%?([\w.\-]+) .*\{$")
LINE = re.compile(r"\s+(?:ROOT )?%?([\w.\-]+) = (.*?) ?([a-z][\w\-]*)\((.*)")
ARRAY = re.compile(r"\b[a-z]+(\d*)\w*\[([\d,]*)\]")
ESTIMATE = re.compile(r'"estimated_cycles":"(\d+)"')
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
INNER = re.compile(
    r"(?:body|to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)"
    r"|branch_computations=\{([^}]*)\}"
)

CONTROL = ("while", "call", "conditional", "async-start")
NAMES = ("parameter", "constant", "bitcast", "tuple", "get-tuple-element", "optimization-barrier")
PREFETCHES = ("copy-start", "slice-start")
RELAYOUTS = ("copy", "reshape", "broadcast", "transpose")
SHIFTS = {"shift-left", "shift-right-logical"}
ARITHMETIC = SHIFTS | {"add", "subtract", "multiply", "and", "or", "xor", "not"}


@dataclass(frozen=True)
class Instruction:
    """A line of a program; `rest` holds operands, attributes and the compiler's notes."""

    name: str
    result: str
    opcode: str
    rest: str

    @property
    def operands(self) -> list[str]:
        """Names of what it reads."""
        return re.findall(r"%([\w.\-]+)", self.rest.split(")")[0])

    @property
    def inner(self) -> list[str]:
        """Names of the computations that it runs."""
        found = (one or several for one, several in INNER.findall(self.rest))
        return [name.strip(" %") for names in found for name in names.split(",")]

    @property
    def elements(self) -> int:
        """Of the largest array in its result."""
        return max((elements for _, elements in arrays(self.result)), default=0)

    @property
    def is_kernel(self) -> bool:
        """Whether something is launched for it, more than a name, a prefetch or a register."""
        silent = self.opcode in (*CONTROL, *NAMES, *PREFETCHES) or self.opcode.endswith("-done")
        runs = self.opcode == "fusion" or self.elements > 1
        return runs and not silent and "ConcatBitcast" not in self.rest


@dataclass(frozen=True)
class Optimized:
    """A program: its computations by name, and the name of the first to run."""

    computations: dict[str, list[Instruction]]
    entry: str

    def executed(self, name: str, times: int = 1) -> Iterator[tuple[Instruction, int]]:
        """What a computation runs, how often: loops by their turns, every branch of a choice."""
        for each in self.computations.get(name, []):
            yield each, times
            if each.opcode in CONTROL:
                for inner in each.inner:
                    yield from self.executed(inner, times * self.turns(each))

    def turns(self, each: Instruction) -> int:
        """How often a loop turns: as XLA knows it, or as the constant in its condition says."""
        if known := TRIPS.search(each.rest):
            return int(known[1])
        condition = re.search(r"condition=%?([\w.\-]+)", each.rest)
        ends = self.computations.get(condition[1], []) if condition else []
        constants = [end.rest.split(")")[0] for end in ends if end.opcode == "constant"]
        return max((int(constant) for constant in constants if constant.isdecimal()), default=1)

    def kernels(self) -> list[tuple[Instruction, int]]:
        """What is launched, how often."""
        return [(each, times) for each, times in self.executed(self.entry) if each.is_kernel]

    def fused(self, kernel: Instruction) -> list[Instruction]:
        """What is in a fusion, and in the fusions in it."""
        inside = [each for name in kernel.inner for each in self.computations.get(name, [])]
        return inside + [deeper for each in inside for deeper in self.fused(each)]


def parse(text: str) -> Optimized:
    """Reads `compiled.as_text()`."""
    computations: dict[str, list[Instruction]] = {}
    entry = inside = ""
    for line in text.splitlines():
        if head := HEAD.match(line):
            inside = head[2]
            computations[inside] = []
            entry = inside if head[1] else entry
        elif inside and (found := LINE.match(line)):
            computations[inside].append(Instruction(*found.groups()))
    return Optimized(computations, entry)


def arrays(text: str) -> list[tuple[int, int]]:
    """Bits of an element, and elements, of the arrays in the text of a type."""
    return [
        (int(bits or 8), math.prod(int(size) for size in sizes.split(",") if size))
        for bits, sizes in ARRAY.findall(text)
    ]


def cycles(program: Optimized) -> int:
    """XLA's own estimate of a TPU's cycles, summed over what has one."""
    found = ((ESTIMATE.search(each.rest), times) for each, times in program.executed(program.entry))
    return sum(int(estimate[1]) * times for estimate, times in found if estimate)


def relayouts(program: Optimized, elements: int) -> dict[str, int]:
    """Kernels on half of an array's elements, or more, that move them and do nothing else."""
    large = (each for each, _ in program.kernels() if 2 * each.elements >= elements)
    moves = ([each, *program.fused(each)] for each in large)
    return dict(Counter(each[0].opcode for each in moves if only_moves(each)))


def only_moves(instructions: list[Instruction]) -> bool:
    """Whether there is a relayout, and nothing that calculates."""
    opcodes = {each.opcode for each in instructions} - {*NAMES, "fusion", "concatenate"}
    return bool(opcodes) and opcodes <= {*RELAYOUTS}


def moved_bytes(program: Optimized) -> int:
    """Sizes of what each kernel reads and writes."""
    results = {each.name: each.result for each, _ in program.executed(program.entry)}
    return sum(
        times * sum(size(results.get(name, "")) for name in (each.name, *each.operands))
        for each, times in program.kernels()
    )


def size(text: str) -> int:
    """Bytes of the arrays in the text of a type."""
    return sum(bits * elements for bits, elements in arrays(text)) // 8


def integer_operations(program: Optimized) -> int:
    """Integer arithmetic in the kernels, by elements; a rotation is one operation, as on a GPU."""
    return sum(times * arithmetic(program.fused(each)) for each, times in program.kernels())


def arithmetic(instructions: list[Instruction]) -> int:
    """Integer operations by elements: an `or` of two shifts takes the place of all three."""
    opcodes = {each.name: each.opcode for each in instructions}
    found = 0
    for each in instructions:
        if each.opcode in ARITHMETIC and re.match(r"[su]\d", each.result):
            rotates = each.opcode == "or" and {*map(opcodes.get, each.operands)} == SHIFTS
            found += -each.elements if rotates else each.elements
    return found
