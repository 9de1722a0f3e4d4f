"""What a run writes, as bytes."""

import json
from collections.abc import Mapping
from typing import Any

Files = dict[str, bytes]


def as_json(content: Mapping[str, Any]) -> bytes:
    """JSON for people: indented, with a newline at the end."""
    return (json.dumps(content, indent=2, default=str) + "\n").encode()
