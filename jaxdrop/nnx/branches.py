"""Residual branches in a traced model: what is added to the value that it was made from."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from jaxdrop.flax_shared import Path
from jaxdrop.nnx.traces import Graph, Value

SUMS = ("add", "add_any")
SCALES = ("mul", "div", "select_n")
FORMS = (
    *("convert_element_type", "copy", "name", "neg", "pad", "reduce_precision", "reshape"),
    *("reshard", "sharding_constraint", "slice", "squeeze", "transpose", "broadcast_in_dim"),
)


class Branches(NamedTuple):
    """The modules that residual branches end in, and in words the branches without such an end."""

    ends: list[Path]
    others: list[str]


def find_branches(graphs: Iterable[Graph]) -> Branches:
    """Looks at every sum of a traced model."""
    ends, others = {}, {}
    for values, looped in graphs:
        for path, why in _found(values):
            why = why or ("is inside of a loop" if looped else "")
            (others if why else ends)[path] = why
    words = [f"after {_dotted(path)} ({why})" for path, why in others.items()]
    return Branches([*ends], words)


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _found(values: list[Value]) -> Iterator[tuple[Path, str]]:
    """The modules that branches end in, each with what forbids a site there."""
    for value in values:
        if value.step in SUMS and not _in_a_sum(value):
            terms = [term for term in _terms(value) if term.live]
            pairs = [(a, b) for a in terms for b in terms if a is not b]
            branches = {a: s for a, b in pairs if (s := _shortcut(a, b)) is not None}
            for branch, shortcut in branches.items():
                yield from _ends(branch, shortcut)
            if not branches:
                yield from itertools.chain(*itertools.starmap(_beside_a_projection, pairs))


def _shortcut(branch: Value, other: Value) -> Value | None:
    """The form of another term of its sum that a branch is made from."""
    shortcuts = (part for part in _forms_of(other) if part.live)
    return next((part for part in shortcuts if _is_made_from(branch, part)), None)


def _in_a_sum(value: Value) -> bool:
    """Whether all that uses a value is one sum, whose terms are its terms too."""
    if len(value.users) != 1 or value.output:
        return False
    user = value.users[0]
    return user.step in SUMS or (user.step in FORMS and _in_a_sum(user))


def _terms(value: Value) -> Iterator[Value]:
    """The terms of a sum of sums."""
    for term in value.inputs:
        inner = term
        while inner.step in FORMS and not inner.output:
            inner = inner.inputs[0]
        yield from _terms(inner) if inner.step in SUMS and _in_a_sum(inner) else [term]


def _ends(value: Value, shortcut: Value) -> Iterator[tuple[Path, str]]:
    """The modules in which a branch from the shortcut ends, each with what forbids a site there."""
    called = _last_called(value, shortcut)
    if not called:
        return  # not a branch of the model: a polynomial within an activation, for instance
    end = _peel(value, lambda part: _is_made_from(part, shortcut))
    if end.output and end.output.whole:
        yield end.output.path, ""
    elif end.step in SUMS:
        for term in end.inputs:
            yield from _ends(term, shortcut)
    else:
        yield from ((path, f"ends in {end.step}") for path in called)


def _beside_a_projection(branch: Value, other: Value) -> Iterator[tuple[Path, str]]:
    """The longer of two ways from one value into one sum, where each ends in a module."""
    end, shortcut = (_peel(term, lambda part: part.live) for term in (branch, other))
    common = [part for part in _between(end) & _between(shortcut) if part.live]
    if common and end.output and shortcut.output:
        start = max(common, key=lambda part: part.order)
        long, short = (
            {m for part in _between(way, start) - {start} for m in part.modules}
            for way in (end, shortcut)
        )
        if len(long) > len(short):
            yield end.output.path, f"added to {_dotted(shortcut.output.path)}, no plain shortcut"


def _forms_of(value: Value) -> Iterator[Value]:
    """A value, and what it is another form or a multiple of."""
    inner: Value | None = value
    while inner is not None:
        yield inner
        inner = inner.inputs[0] if inner.output else _within(inner, lambda part: part.live)


def _peel(value: Value, follows: Callable[[Value], bool]) -> Value:
    """The output of a module under changes of form and multiples, or what is there instead."""
    while not (value.output and value.output.whole):
        inner = _within(value, follows)
        if inner is None:
            break
        value = inner
    return value


def _within(value: Value, follows: Callable[[Value], bool]) -> Value | None:
    """What a value is another form of, or a multiple of by what does not follow.

    Its examples, which stand along the first axis, stay: sites may drop whole examples.
    """
    if value.step in FORMS and _keeps_examples(value, value.inputs[0]):
        return value.inputs[0]
    if value.step in SCALES:
        following = [part for part in value.inputs if follows(part)]
        scaled = {"div": value.inputs[:1], "select_n": value.inputs[1:]}.get(
            value.step, value.inputs
        )
        if len(following) == 1 and following[0] in scaled:
            return following[0]
    return None


def _keeps_examples(value: Value, inner: Value) -> bool:
    axes = {"transpose": "permutation", "broadcast_in_dim": "broadcast_dimensions"}
    first = value.parameters[axes[value.step]][:1] if value.step in axes else (0,)
    return first in ((), (0,)) and value.shape[:1] == inner.shape[:1]


def _is_made_from(value: Value, source: Value) -> bool:
    return source in _between(value, source)


def _last_called(value: Value, source: Value) -> list[Path]:
    """The last modules that are called on the way from a source to a value."""
    way = _between(value, source, lambda part: bool(part.modules))
    last = [part for part in way - {source} if part.modules and _is_made_from(part, source)]
    last.sort(key=lambda part: part.order)
    return [*dict.fromkeys(path for part in last for path in part.modules)]


def _between(
    value: Value, source: Value | None = None, ends: Callable[[Value], bool] = lambda part: False
) -> set[Value]:
    """All that a value is made of, back to a source, or to what is an end before it."""
    first = source.order if source else 0
    found, todo = {value}, [value]
    while todo:
        part = todo.pop()
        if part is not source and not ends(part):
            new = {each for each in part.inputs if each.order >= first} - found
            found |= new
            todo += new
    return found
