"""Writes what `make chaos` has counted into `docs/reliability.md`: `python -m integration_tests.faults.figures FILE`."""

from __future__ import annotations

import json
import re
import sys
from operator import itemgetter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "reliability.md"
_PLACE = re.compile(r"(<!-- figures -->\n).*?(\n<!-- end: figures -->)", re.DOTALL)
_COLUMNS = ("faults", "rows", "lost", "doubled")


def table(figures: list[dict[str, Any]]) -> str:
    """The counts of each test, as a table of Markdown; a dash where a test does not count one by one."""
    lines = ["| test | faults | rows | lost | doubled | also counted |", "|---|---|---:|---:|---:|---|"]
    for each in figures:
        further = ", ".join(
            f"{name.replace('_', ' ')}: {value}"
            for name, value in each.items()
            if name not in (*_COLUMNS, "test", "file")
        )
        rows = f"{each['rows']:,}"
        test = f"`{each['file']}` {each['test'].removeprefix('test_').replace('_', ' ')}"
        lines.append(
            f"| {test} | {each['faults']} | {rows} | {each.get('lost', '-')} | {each.get('doubled', '-')} | {further} |"
        )
    return "\n".join(lines)


def main(path: Path) -> None:
    """Replace the table of the last run."""
    figures = [json.loads(line) for line in path.read_text().splitlines()]
    # Several workers finish in another order than that of the files.
    figures.sort(key=itemgetter("file"))
    text = DOCUMENT.read_text()
    found = _PLACE.search(text)
    if found is None:
        raise LookupError(f"{DOCUMENT.name} has no place for the figures")
    DOCUMENT.write_text(text[: found.end(1)] + table(figures) + text[found.start(2) :])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
