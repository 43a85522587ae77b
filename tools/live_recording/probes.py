"""Requests that the connector would never send, to learn how Customer.io answers them: each is about a made-up person."""

from __future__ import annotations

from typing import Any

Entry = dict[str, Any]


def probes(identifiers: dict[str, str]) -> dict[str, list[Entry]]:
    """Batches by what is wrong with them. `identifiers` is the one identifier of the live test's person."""

    def person(action: str, **members: Any) -> Entry:
        return {"type": "person", "action": action, "identifiers": identifiers, **members}

    good = person("identify", attributes={"airbyte_live_test": True})
    nameless = person("event")
    return {
        "nothing wrong": [good],
        "one of two entries": [good, nameless],
        "all entries": [nameless, person("event", name=" ")],
        "an unknown action": [person("celebrate")],
        "no identifier": [{"type": "person", "action": "identify", "attributes": {}}],
        "two identifiers": [{**good, "identifiers": {**identifiers, "cio_id": "a3000001"}}],
        "an event id that is no ULID": [person("event", name="airbyte_live_test", id="order-1")],
        "a timestamp that is text": [person("event", name="airbyte_live_test", timestamp="yesterday")],
        "an attribute value that is too long": [
            person("identify", attributes={"airbyte_live_test": "x" * 1_001})
        ],
        "an attribute name that is too long": [person("identify", attributes={"x" * 151: 1})],
        "an event name that is too long": [person("event", name="x" * 101)],
        "unsubscribed as text": [person("identify", attributes={"unsubscribed": "perhaps"})],
        "a device without a platform": [person("add_device", device={"token": "airbyte-live-test"})],
        "an entry that is too large": [
            person("event", name="airbyte_live_test", attributes={"x": "x" * 33_000})
        ],
        "no entries": [],
    }
