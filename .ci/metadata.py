"""What the distribution says of itself: the README, with links that lead somewhere, and addresses.

All of them begin with `repository` in pyproject.toml, which whoever publishes it fills in.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!\w+:|#)([^)\s]+)\)")
CODE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
PLACES = {
    "Homepage": "",
    "Documentation": "#readme",
    "Changelog": "/blob/main/jaxdrop/CHANGELOG.md",
    "Issues": "/issues",
}


class Metadata(MetadataHookInterface):
    """Fills in what pyproject.toml leaves to it."""

    def update(self, metadata: dict[str, Any]) -> None:
        """The description and the addresses."""
        base, text = self.config["repository"], (Path(self.root) / "README.md").read_text("utf-8")
        description = absolute(text, base)
        metadata["readme"] = {"content-type": "text/markdown", "text": description}
        metadata["urls"] = {name: base + place for name, place in PLACES.items()}


def absolute(text: str, base: str) -> str:
    """Markdown whose relative links begin with an address; code stays as it is."""

    def link(found: re.Match[str]) -> str:
        picture, words, path = found.groups()
        return f"{picture}{words}({base}/{'raw' if picture else 'blob'}/main/{path})"

    parts = CODE.split(text)  # prose and code in turn
    return "".join(part if index % 2 else LINK.sub(link, part) for index, part in enumerate(parts))
