"""The command that runs a study again."""

import dataclasses
from pathlib import Path
from typing import Any

OF_THE_RUN = ("output", "overwrite", "checkpoint_every")
"""Where it goes, and how it is kept, has no part in what comes out."""


def again(study: str, config: Any, defaults: Any = None) -> str:
    """All settings that are not the study's own; folders of the user's are left to name."""
    words, defaults = [f"python -m experiments run {study}"], defaults or type(config)()
    for field in dataclasses.fields(config):
        value, flag = getattr(config, field.name), f"--{field.name.replace('_', '-')}"
        if value != getattr(defaults, field.name) and field.name not in OF_THE_RUN:
            words.append(f"{flag} {_shown(value)}".rstrip())
    return " ".join(words)


def _shown(value: Any) -> str:
    if value is True:
        return ""
    if isinstance(value, Path):
        return "FOLDER"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
