"""Sync a source into Customer.io from Python, with PyAirbyte and no Airbyte platform.

    pip install airbyte    # PyAirbyte; needs Python 3.10 to 3.12
    pip install .          # this connector, in a separate environment, with its command on PATH
    export CUSTOMERIO_SITE_ID=... CUSTOMERIO_API_KEY=...
    python examples/pyairbyte_sync.py --count 100

The source is Airbyte's faker, with reproducible fictional users and purchases. `stream_mappings` turns each user into a
person and each purchase into an event, because PyAirbyte has no destination objects. To try it without an account, point
CUSTOMERIO_TRACK_API_URL at a local server (`python -m tools.local_track_api`).

AIRBYTE_OFFLINE_MODE=1 and DO_NOT_TRACK=1 keep PyAirbyte off the network; both connectors must then be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path

import airbyte as ab

STREAM_MAPPINGS = [
    {
        "stream_name": "users",
        "destination_object_name": "person_identify",
        "field_mappings": [
            {"source": "id", "destination": "person_id"},
            {"source": "address.city", "destination": "city"},
        ],
    },
    {
        "stream_name": "purchases",
        "destination_object_name": "person_event",
        "field_mappings": [
            {"source": "user_id", "destination": "person_id"},
            {"source": "id", "destination": "event_id"},
            {"source": "purchased_at", "destination": "timestamp"},
            {"value": "purchase", "destination": "event_name"},
            {"source": "product_id", "destination": "product_id"},
        ],
        "unmapped_fields": "drop",
    },
]


def main() -> None:
    """Check both connectors, sync, and print the acknowledged states."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=100, help="number of users to generate")
    parser.add_argument(
        "--states", type=Path, default=Path(".pyairbyte"), help="folder for the sync's states"
    )
    parser.add_argument("--destination", default="destination-customerio", help="the connector's command")
    parser.add_argument(
        "--settings", type=Path, help="JSON file with further settings, or others than those below"
    )
    parser.add_argument("--through-cache", action="store_true", help="read into PyAirbyte's cache first")
    options = parser.parse_args()

    source = ab.get_source(
        "source-faker",
        config={
            "count": options.count,
            "seed": 42,
            "parallelism": 1,
            "records_per_slice": 20,  # a state every 20 rows
            "always_updated": False,
        },
        streams=["users", "purchases"],
        # If it is not installed, PyAirbyte installs it into a separate environment.
        local_executable=shutil.which("source-faker"),
    )
    destination = ab.get_destination(
        "destination-customerio",
        config={
            "credentials": {
                "siteId": os.environ["CUSTOMERIO_SITE_ID"],
                "apiKey": os.environ["CUSTOMERIO_API_KEY"],
            },
            "identifierType": "id",
            "stream_mappings": STREAM_MAPPINGS,
            "track_api_url": os.environ.get("CUSTOMERIO_TRACK_API_URL", ""),
            **(json.loads(options.settings.read_text()) if options.settings else {}),
        },
        local_executable=options.destination,
    )
    source.check()
    destination.check()

    # Keeps the states, so that the next run only reads new rows.
    cache = ab.new_local_cache("customerio", cache_dir=options.states)
    if options.through_cache:
        result = destination.write(source, cache=cache)
    else:
        # Streams rows straight through; the cache would add columns such as _airbyte_raw_id.
        result = destination.write(source, cache=False, state_cache=cache)

    print(f"{result.processed_records} rows were read.")
    states = result.get_state_provider()
    for name in sorted(states.known_stream_names):
        state = states.get_stream_state(name)
        print(f"{name}: acknowledged up to {state.stream.stream_state.model_dump_json()}")


if __name__ == "__main__":
    main()
