"""A bucket of rejected rows, made by a sync, for the tests of `replay`: filled, looked into, put back as it was."""

from __future__ import annotations

import io
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

from destination_customerio.dead_letters.reading.reader import layout_of, read_rows
from integration_tests.buckets import Bucket, client_of
from integration_tests.connector import catalog_of, config_for, record, run_connector, stream

if TYPE_CHECKING:
    from tools.local_track_api import LocalTrackApi

REPLAYED = "customerio/rejected/replayed/"
LEASE_KEY = "customerio/rejected/_replay_claim"
ORDERS = stream("orders", "person_event", sync_id=42)
USERS = stream("Größe", "person_identify", namespace="shop", sync_id=42)
CATALOG = catalog_of(ORDERS, USERS)
# Every third order has no person, and is rejected however it is sent.
LINES = [
    *(
        record(
            "orders",
            {"person_id": f"u{number % 3}" if number % 3 else None, "event_name": "paid", "_seq": number},
            emitted_at=1_764_000_000_000 + number,
        )
        for number in range(9)
    ),
    *(
        record("Größe", {"person_id": f"u{number}", "plan": "pro", "n": number}, namespace="shop")
        for number in range(5)
    ),
]
GOOD_ORDERS = [number for number in range(9) if number % 3]
# The files of each sync that was run, by all that decides what they hold.
_stored: dict[str, list[dict[str, Any]]] = {}


def config(
    api: LocalTrackApi, storage: dict[str, Any], identifier: str = "id", **more: Any
) -> dict[str, Any]:
    """With `email`, all rows of this module are rejected; with `id`, those that name a person are not."""
    return config_for(api.url, object_storage_config=storage, identifierType=identifier, **more)


def fill(
    api: LocalTrackApi, storage: dict[str, Any], lines: list[bytes] = LINES, catalog: Any = CATALOG
) -> None:
    """Let a sync reject all rows, each stream into one file."""
    reject(config(api, storage, "email"), catalog, lines)
    assert api.world.events == []


def reject(settings: dict[str, Any], catalog: dict[str, Any], lines: list[bytes]) -> None:
    """Sync rows that are rejected; a sync that an earlier test has made only stores the files of that one again."""
    storage = settings["object_storage_config"]
    key = storage["access_key_id"], storage["secret_access_key"]
    bucket = Bucket(
        storage["s3_bucket_name"], storage["s3_endpoint"], client_of(storage["s3_endpoint"], *key), *key
    )
    with closing(bucket.client):
        ours = {"s3_bucket_name": "", "s3_endpoint": ""}
        same = repr(
            (settings | {"track_api_url": "", "object_storage_config": storage | ours}, catalog, lines)
        )
        if same in _stored:
            put(bucket, _stored[same])
            return
        before = set(bucket.keys())
        done = run_connector("write", settings, catalog, lines)
        assert (done.exit_code, done.errors) == (0, [])
        _stored[same] = [found for found in snapshot(bucket) if found["Key"] not in before]


def contents(bucket: Bucket) -> dict[str, bytes]:
    """All objects by their keys, in the order of these."""
    return {key: bucket.read(key) for key in sorted(bucket.keys())}


def rows_in(bucket: Bucket, *, replayed: bool) -> list[dict[str, Any]]:
    """The original rows in the files, in the order of their keys; what a replay keeps for itself is no such file."""
    return [
        json.loads(row.data or b"null")
        for key in contents(bucket)
        if key.startswith(REPLAYED) is replayed and "/_replay_" not in key
        for row in read_rows(layout_of(io.BytesIO(bucket.read(key))))
    ]


def seqs(rows: list[dict[str, Any]]) -> list[int]:
    """The numbers of the orders among rows."""
    return sorted(row["_seq"] for row in rows if "_seq" in row)


def arrived(api: LocalTrackApi) -> list[int]:
    """The numbers of the orders that count, in their order."""
    return [event.attributes["_seq"] for event in api.world.events]


def snapshot(bucket: Bucket) -> list[dict[str, Any]]:
    """All objects, to be put again."""
    found = []
    for key in contents(bucket):
        answer = bucket.client.get_object(Bucket=bucket.name, Key=key)
        found.append({"Key": key, "Body": answer["Body"].read(), "Metadata": answer["Metadata"]})
    return found


def restore(bucket: Bucket, objects: list[dict[str, Any]]) -> None:
    """Make the bucket hold these objects and no others."""
    for key in contents(bucket):
        bucket.client.delete_object(Bucket=bucket.name, Key=key)
    put(bucket, objects)


def put(bucket: Bucket, objects: list[dict[str, Any]]) -> None:
    """Store these objects."""
    for values in objects:
        bucket.client.put_object(Bucket=bucket.name, **values)


def let_lease_lapse(bucket: Bucket) -> None:
    """Remove the lease that a killed replay left behind, as if a minute had passed."""
    bucket.client.delete_object(Bucket=bucket.name, Key=LEASE_KEY)
