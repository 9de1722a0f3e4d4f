"""Residual branches in a traced model: what is added to the value that it was made from."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from jaxdrop.modules import Path
from jaxdrop.nnx.traces import Graph, Value

SUMS = ("add", "add_any")
SCALES = ("mul", "div")
FORMS = (
    *("convert_element_type", "copy", "name", "neg", "reduce_precision", "reshape", "reshard"),
    *("sharding_constraint", "squeeze", "transpose", "broadcast_in_dim"),
)


class Branches(NamedTuple):
    """The modules that residual branches end in, and in words the branches without such an end."""

    ends: list[Path]
    others: list[str]


def find_branches(graphs: Iterable[Graph]) -> Branches:
    """Looks at every sum of a traced model."""
    ends, others = {}, {}
    for values, looped in graphs:
        for value, shortcut in _branches(values):
            for path, why in _ends(value, shortcut):
                why = why or ("is inside of a loop" if looped else "")
                (others if why else ends)[path] = why
    return Branches(
        [*ends], [f"after {'.'.join(map(str, p))} ({why})" for p, why in others.items()]
    )


def _branches(values: list[Value]) -> Iterator[tuple[Value, Value]]:
    """The terms of each sum that are made from another of its terms, which comes second."""
    for value in values:
        if value.step in SUMS and not _in_a_sum(value):
            terms = [term for term in _terms(value) if term.live]
            for term in terms:
                shortcuts = (s for other in terms if other is not term for s in _forms_of(other))
                shortcut = next((s for s in shortcuts if s.live and _is_made_from(term, s)), None)
                if shortcut is not None:
                    yield term, shortcut


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
    """The modules in which a branch from the shortcut ends, each with what stands in the way."""
    called = _called_between(value, shortcut)
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

    Its examples, which stand along the first axis, must be the same: a branch is dropped in each.
    """
    if value.step in FORMS and _keeps_examples(value, value.inputs[0]):
        return value.inputs[0]
    if value.step in SCALES:
        following = [part for part in value.inputs if follows(part)]
        if len(following) == 1 and not (value.step == "div" and following[0] is value.inputs[1]):
            return following[0]
    return None


def _keeps_examples(value: Value, inner: Value) -> bool:
    axes = {"transpose": "permutation", "broadcast_in_dim": "broadcast_dimensions"}
    first = value.parameters[axes[value.step]][:1] if value.step in axes else (0,)
    return first in ((), (0,)) and value.shape[:1] == inner.shape[:1]


def _is_made_from(value: Value, source: Value) -> bool:
    return source in _between(value, source)


def _called_between(value: Value, source: Value) -> list[Path]:
    """The last modules that are called on the way from a source to a value."""
    found = {}
    for part in _between(value, source, lambda part: bool(part.modules)):
        if part.modules and part is not source and _is_made_from(part, source):
            found |= dict.fromkeys(part.modules)
    return [*found]


def _between(
    value: Value, source: Value, ends: Callable[[Value], bool] = lambda part: False
) -> set[Value]:
    """All that a value is made of, back to a source, or to what is an end before it."""
    found, todo = {value}, [value]
    while todo:
        part = todo.pop()
        if part is not source and not ends(part):
            new = {each for each in part.inputs if each.order >= source.order} - found
            found |= new
            todo += new
    return found
