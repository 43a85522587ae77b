"""The parts of the documentation that are made of the code: `make docs` writes them, and a test sees when they differ.

A part stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from destination_customerio.operations import DESTINATION_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from destination_customerio.operations import DestinationObject

ROOT = Path(__file__).parent.parent


def objects_table() -> str:
    """The destination objects, one a line."""
    lines = [
        "| object | sync mode | named columns (required ones bold) | what a row does |",
        "|---|---|---|---|",
    ]
    for row in DESTINATION_OBJECTS.values():
        what = (row.build.__doc__ or "").strip().rstrip(".")
        lines.append(f"| `{row.name}` | `{row.sync_mode}` | {', '.join(_columns(row))} | {what} |")
    return "\n".join(lines)


# Which part stands in which file, and what makes it.
PARTS: dict[str, tuple[str, Callable[[], str]]] = {"objects": ("README.md", objects_table)}


def documents() -> Iterator[tuple[Path, str, str]]:
    """Each file with a generated part: its path, its text, and its text with the part made anew."""
    for name, (file, make) in PARTS.items():
        path = ROOT / file
        text = path.read_text()
        pattern = rf"(<!-- generated: {name} -->\n).*?(\n<!-- end: {name} -->)"
        found = re.search(pattern, text, re.DOTALL)
        if found is None:
            raise LookupError(f"{file} has no place for the generated part {name}")
        yield path, text, text[: found.end(1)] + make() + text[found.start(2) :]


def _columns(row: DestinationObject) -> Iterator[str]:
    for name in row.identity:
        yield "**the person**" if name == "identifier" else f"**`{name}`**"
    for column in row.columns:
        yield f"**`{column.name}`**" if column.required else f"`{column.name}`"


if __name__ == "__main__":
    for path, _, text in documents():
        path.write_text(text)
