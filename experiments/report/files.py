"""What a run writes, as bytes: JSON for people, CSV for programs."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Files = dict[str, bytes]


def as_json(content: Mapping[str, Any]) -> bytes:
    """JSON for people: indented, with a newline at the end."""
    return (json.dumps(content, indent=2, default=str) + "\n").encode()


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table for programs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
