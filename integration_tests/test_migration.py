"""What a connection of `airbyte/destination-customer-io` has is taken unchanged: configuration, catalog, rows, file layout.

The shapes are that connector's own: its form writes the configurations, the platform the catalog.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.command_line import run_command
from integration_tests.connector import record, run_connector, stream_state

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

GUIDE = Path(__file__).parent.parent / "docs" / "migrating.md"

# Each as the form writes it, with everything that it fills in by itself. `S3` is replaced by the settings of the test's bucket.
CONFIGS: dict[str, dict[str, Any]] = {
    "before there was a choice of identifiers": {"credentials": {"siteId": "site", "apiKey": "key"}},
    "no storage": {
        "credentials": {"siteId": "site", "apiKey": "key"},
        "identifierType": "email",
        "object_storage_config": {"storage_type": "None"},
    },
    "csv": {
        "credentials": {"siteId": "site", "apiKey": "key"},
        "identifierType": "email",
        "object_storage_config": {
            "storage_type": "S3",
            "bucket_path": "customerio/rejected",
            "format": {"format_type": "CSV", "flattening": "No flattening"},
            "path_format": "{sync_id}/{namespace}/{stream_name}/",
            "file_name_format": "{date}_{timestamp}_{part_number}{format_extension}",
        },
    },
    "csv, by the API, with what is left out": {
        "credentials": {"siteId": "site", "apiKey": "key"},
        "object_storage_config": {"storage_type": "S3", "bucket_path": "customerio/rejected"},
    },
    "json lines": {
        "credentials": {"siteId": "site", "apiKey": "key"},
        "identifierType": "email",
        "object_storage_config": {
            "storage_type": "S3",
            "bucket_path": "customerio/rejected/",
            "format": {"format_type": "JSONL", "flattening": "Root level flattening"},
            "compression": {"compression_type": "GZIP"},
            "path_format": "{sync_id}/{namespace}/{stream_name}/",
            "file_name_format": "{date}_{timestamp}_{part_number}{format_extension}",
        },
    },
}


def configured(name: str, destination_object: str, sync_mode: str, properties: list[str]) -> dict[str, Any]:
    """A stream as the platform configures it for that connector."""
    return {
        "stream": {
            "name": name,
            "namespace": "shop",
            "json_schema": {
                "type": "object",
                "properties": {key: {"type": "string"} for key in properties},
                "additionalProperties": True,
            },
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": False,
            "default_cursor_field": [],
            "source_defined_primary_key": [],
            "is_resumable": False,
        },
        "sync_mode": "incremental",
        "cursor_field": ["updated_at"],
        "destination_sync_mode": sync_mode,
        "primary_key": [],
        "generation_id": 0,
        "minimum_generation_id": 0,
        "sync_id": 42,
        "destination_object_name": destination_object,
    }


CATALOG = {
    "streams": [
        configured("people", "person_identify", "append_dedup", ["person_email", "an_attribute"]),
        configured("orders", "person_event", "append", ["person_email", "event_name", "an_attribute"]),
    ]
}
PERSON = {"person_email": "ada@example.com", "an_attribute": "any attribute"}
REJECTED = {"person_email": "", "an_attribute": "x"}


def ours(config: dict[str, Any], api: LocalTrackApi, bucket: Bucket) -> dict[str, Any]:
    """The same configuration, at local servers."""
    storage = config.get("object_storage_config", {})
    if storage.get("storage_type") == "S3":
        storage = bucket.config() | storage
    return {**config, **({"object_storage_config": storage} if storage else {}), "track_api_url": api.url}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_connection_goes_on_as_it_is(name: str, api: LocalTrackApi, bucket: Bucket) -> None:
    """Check, discover and write: the same objects, the same entries, the same files of rejected rows."""
    config = ours(CONFIGS[name], api, bucket)
    assert run_connector("check", config).of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    operations = run_connector("discover", config).of_type("DESTINATION_CATALOG")[0]["operations"]
    modes = {(operation["object_name"], operation["sync_mode"]) for operation in operations}
    assert modes >= {("person_identify", "append_dedup"), ("person_event", "append")}

    lines = [
        record("people", PERSON, namespace="shop"),
        record("people", REJECTED, namespace="shop"),
        stream_state("people", 1, namespace="shop"),
        record("orders", {**PERSON, "event_name": "paid"}, namespace="shop"),
        stream_state("orders", 1, namespace="shop"),
    ]
    done = run_connector("write", config, CATALOG, lines)
    assert (done.exit_code, done.errors, done.stderr) == (0, [], "")
    assert len(done.states) == 2
    (person,), (event,) = api.world.profiles(), api.world.events
    assert (person.identifiers, person.attributes) == (
        {"email": "ada@example.com"},
        {"an_attribute": "any attribute"},
    )
    assert (event.name, event.attributes) == ("paid", {"an_attribute": "any attribute"})
    if config.get("object_storage_config", {}).get("storage_type") == "S3":
        assert_stored_as_before(bucket)


def assert_stored_as_before(bucket: Bucket) -> None:
    """Whoever reads the files today finds them under the same keys and reads them in the same way."""
    (key,) = bucket.keys()
    place = r"customerio/rejected/42/shop/people/\d{4}_\d\d_\d\d_\d{13}_0\.(csv|jsonl\.gz)"
    assert re.fullmatch(place, key)
    content = bucket.read(key)
    columns = ["_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta", "_airbyte_generation_id"]
    if key.endswith(".csv"):
        (found,) = csv.DictReader(content.decode().splitlines())
        assert list(found) == [*columns, "_airbyte_data"]
        data = json.loads(found["_airbyte_data"])
    else:
        data = json.loads(gzip.decompress(content))
        assert list(data)[:4] == columns
    assert data.items() >= REJECTED.items()
    reasons = {"rejected_reason", "rejected_field", "rejected_message"}
    assert {key for key in data if key.startswith("rejected_")} == reasons


def test_rows_that_the_other_connector_rejected_can_be_sent_again(api: LocalTrackApi, bucket: Bucket) -> None:
    """Its files carry no label; their keys and columns say enough."""
    header = "_airbyte_raw_id,_airbyte_extracted_at,_airbyte_meta,_airbyte_generation_id,_airbyte_data"
    data = {**PERSON, "rejected_reason": "invalid", "rejected_field": "an_attribute", "rejected_message": "m"}
    cell = json.dumps(data).replace('"', '""')
    row = (
        f'"0c6ee3f2-6f4f-4a3b-9d0b-6f5f0a7f6f11",1763856000000,"{{""sync_id"":42,""changes"":[]}}",0,"{cell}"'
    )
    place = "42/shop/people/2026_11_23_1763856000000_0.csv"
    bucket.client.put_object(
        Bucket=bucket.name,
        Key=f"customerio/rejected/{place}",
        Body=f"{header}\r\n{row}\r\n".encode(),
    )
    config = ours(CONFIGS["csv"], api, bucket)
    assert "shop.people\tinvalid\tan_attribute\t1\t" in run_command("rejected", config).stdout
    done = run_command("replay", config, CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    (person,) = api.world.profiles()
    assert (person.identifiers, person.attributes) == (
        {"email": "ada@example.com"},
        {"an_attribute": "any attribute"},
    )
    assert bucket.keys() == [f"customerio/rejected/replayed/{place}"]


def test_the_guides_table_of_times_and_ids_is_true(api: LocalTrackApi, bucket: Bucket) -> None:
    """Each row of the table in the guide, by example."""
    rows = re.findall(r"^\| `(timestamp|event_id)` \| `(.+?)` \| `(.+?)` \|", GUIDE.read_text(), re.MULTILINE)
    assert len(rows) >= 4
    event = {"person_email": "ada@example.com", "event_name": "paid"}
    lines = [record("orders", {**event, column: given}, namespace="shop") for column, given, _ in rows]
    done = run_connector("write", ours(CONFIGS["no storage"], api, bucket), CATALOG, lines)
    assert done.exit_code == 0
    sent = [
        str(event.timestamp if column == "timestamp" else event.id)
        for (column, _, _), event in zip(rows, api.world.events, strict=True)
    ]
    assert sent == [expected for _, _, expected in rows]
