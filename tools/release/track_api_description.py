"""Checks whether Customer.io's published description of the Track API has changed since it was last compared with ours.

Only a digest of it is kept (tools/release/track_api.sha256): the file is Customer.io's. Texts and examples don't count,
only what a program depends on: paths, parameters, schemas. Needs the internet and nothing but the standard library.

python -m tools.release.track_api_description [--record]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

URL = "https://docs.customer.io/files/journeys-track.json"
RECORDED = Path(__file__).with_name("track_api.sha256")
# Members that hold prose; a property of a schema may have the same name, and is kept.
_PROSE = frozenset(
    {"description", "summary", "title", "example", "examples", "externalDocs", "info", "tags", "servers"}
)
_NAMES_BELOW = frozenset({"properties", "patternProperties", "schemas", "parameters", "responses", "paths"})


def digest(description: bytes) -> str:
    """SHA-256 of the parts that matter, whatever the order and the layout."""
    essence = _essence(json.loads(description), names=False)
    return hashlib.sha256(json.dumps(essence, sort_keys=True).encode()).hexdigest()


def compare(found: str, recorded: str | None) -> str | None:
    """What to do about a digest, or None if nothing has changed."""
    if recorded is None:
        return (
            "No digest of the Track API's description is recorded yet. Compare it with tools/local_track_api/contract.py, then "
            "run 'python -m tools.release.track_api_description --record' and commit the file that it writes."
        )
    if found != recorded:
        return (
            f"Customer.io's description of the Track API has changed ({URL}). Compare it with "
            "tools/local_track_api/contract.py and destination_customerio/mapping/limits.py, correct what differs, then "
            "run 'python -m tools.release.track_api_description --record' and commit the new digest."
        )
    return None


def main() -> int:
    """Fetch, compare or record; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.release.track_api_description", description=__doc__
    )
    parser.add_argument("--record", action="store_true", help="write the digest of the present description")
    options = parser.parse_args()
    try:
        with urllib.request.urlopen(URL, timeout=60) as response:
            found = digest(response.read())
    except (OSError, ValueError) as error:
        print(f"{URL} could not be read ({type(error).__name__}), so nothing was compared. Try again later.")
        return 1
    if options.record:
        RECORDED.write_text(f"{found}\n")
        print(f"{RECORDED.name}: {found}")
        return 0
    complaint = compare(found, RECORDED.read_text().strip() if RECORDED.exists() else None)
    print(complaint or "Customer.io's description of the Track API has not changed.")
    return 1 if complaint else 0


def _essence(node: Any, *, names: bool) -> Any:
    """A node without prose; `names`: its keys are names of things, not members of the format."""
    if isinstance(node, dict):
        return {
            key: _essence(value, names=not names and key in _NAMES_BELOW)
            for key, value in node.items()
            if names or (key not in _PROSE and not key.startswith("x-"))
        }
    return [_essence(item, names=False) for item in node] if isinstance(node, list) else node


if __name__ == "__main__":
    sys.exit(main())
