"""Generates parts of the documentation from the code: `make docs` writes them, and a test fails when they are stale.

Each part sits between `<!-- generated: NAME -->` and `<!-- end: NAME -->`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from destination_customerio.config.spec import connection_specification
from destination_customerio.mapping.objects import all_operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from destination_customerio.mapping.destination_object import DestinationObject

ROOT = Path(__file__).parent.parent


def objects_table() -> str:
    """The destination objects, one per line."""
    return "\n".join(
        [
            "| object | sync mode | columns (required in bold) | what a row does |",
            "|---|---|---|---|",
            *(
                f"| `{row.name}` | `{row.sync_mode}` | {', '.join(_columns(row))} | {_purpose(row)} |"
                for row in all_operations()
            ),
        ]
    )


def objects_at_a_glance() -> str:
    """What each destination object is for."""
    return "\n".join(
        [
            "| what a row does | object | sync mode |",
            "|---|---|---|",
            *(f"| {_purpose(row)} | `{row.name}` | `{row.sync_mode}` |" for row in all_operations()),
        ]
    )


def config_table() -> str:
    """Every field of the configuration, in the form's order; hidden ones are marked."""
    rows = [
        "| Field | Key | Default | What it does |",
        "| :--- | :--- | :--- | :--- |",
        # Options of a choice can share a field.
        *dict.fromkeys(_fields("", connection_specification())),
    ]
    return "\n".join(rows)


PAGE = "docs/integrations/destinations/customerio.md"

# Each part's file, and what generates it.
PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "objects at a glance": ("README.md", objects_at_a_glance),
    "objects": ("docs/mapping.md", objects_table),
    "destination objects": (PAGE, objects_table),
    "configuration": (PAGE, config_table),
}


def documents() -> Iterator[tuple[Path, str, str]]:
    """Each file with a generated part: its path, its text, and its text with the part regenerated."""
    for name, (file, make) in PARTS.items():
        path = ROOT / file
        text = path.read_text()
        pattern = rf"(<!-- generated: {name} -->\n).*?(\n<!-- end: {name} -->)"
        found = re.search(pattern, text, re.DOTALL)
        if found is None:
            raise LookupError(f"{file} has no markers for the generated part {name}")
        yield path, text, text[: found.end(1)] + make() + text[found.start(2) :]


def _purpose(row: DestinationObject) -> str:
    return (row.build.__doc__ or "").strip().rstrip(".")


def _columns(row: DestinationObject) -> Iterator[str]:
    for name in row.identity:
        yield "**the person**" if name == "identifier" else f"**`{name}`**"
    for column in row.columns:
        yield f"**`{column.name}`**" if column.required else f"`{column.name}`"


def _fields(prefix: str, node: dict[str, Any]) -> Iterator[str]:
    """One table row per field, each followed by the rows of its nested fields."""
    required = node.get("required", [])
    for key, field in sorted(node["properties"].items(), key=lambda item: item[1]["order"]):
        # The discriminator of a choice is shown with the choice itself.
        if "const" in field:
            continue
        name = f"{prefix}{key}"
        options = field.get("oneOf", []) or field.get("items", {}).get("oneOf", [])
        default = "required" if key in required else _default(field.get("default"))
        texts = [field["description"], *_choices(field, options)]
        if field.get("airbyte_secret"):
            texts.append("Secret.")
        if field.get("airbyte_hidden"):
            texts.append("Hidden in the form.")
        # Airbyte's docs are MDX, where bare braces are code.
        what = re.sub(r"\{[\w:]+\}", r"`\g<0>`", " ".join(texts)).replace("|", "\\|")
        cells = (field["title"], f"`{name}`", default, what)
        yield f"| {' | '.join(cells)} |"
        for part in (field, field.get("items", {}), *options):
            if "properties" in part:
                inner = f"{name}[]." if field["type"] == "array" else f"{name}."
                yield from _fields(inner, part)


def _choices(field: dict[str, Any], options: list[dict[str, Any]]) -> Iterator[str]:
    if values := field.get("enum"):
        yield f"One of {', '.join(f'`{value}`' for value in values)}."
    for option in options:
        consts = [f"`{key}`: `{f['const']}`" for key, f in option["properties"].items() if "const" in f]
        yield f"{option['title']} ({', '.join(consts)})."


def _default(value: object) -> str:
    return (
        "" if value in (None, "", []) else f"`{json.dumps(value) if not isinstance(value, str) else value}`"
    )


if __name__ == "__main__":
    for path, _, text in documents():
        path.write_text(text)
