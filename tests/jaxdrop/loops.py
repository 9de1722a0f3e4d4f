"""What the loops of a compiled program do."""

import re

HASH = re.compile(r"\b(?:shift-right-logical|shift-left|rng-bit-generator|threefry\w*)\b")


def loop_bodies(hlo: str, having: str = "") -> str:
    """The bodies of the while loops in which a text stands, with all that they call.

    JAX's own `fold_in` is a loop too, of rotations.
    """
    parts = dict(re.findall(r"^(?:ENTRY )?%?([\w.\-]+) \([^\n]*\{\n(.*?)^\}", hlo, re.M | re.S))
    bodies = [_closure(name, parts) for name in re.findall(r"body=%?([\w.\-]+)", hlo)]
    return "\n".join(body for body in bodies if having in body)


def _closure(name: str, parts: dict[str, str]) -> str:
    """A computation and all that it calls."""
    open_, seen = [name], set()
    while open_:
        name = open_.pop()
        if name not in seen:
            seen.add(name)
            open_ += re.findall(r"(?:calls|to_apply|body|computation)=%?([\w.\-]+)", parts[name])
            branches = re.findall(r"branch_computations=\{([^}]*)\}", parts[name])
            open_ += [branch.strip(" %") for group in branches for branch in group.split(",")]
    return "\n".join(parts[name] for name in sorted(seen))
