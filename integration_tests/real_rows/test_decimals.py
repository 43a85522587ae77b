"""Decimals keep their digits on the whole way, including that through the bucket."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.command_line import run_command
from integration_tests.connector import catalog_of, config_for, run_connector, stream
from unit_tests.track_api.loopback import Server, http

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from unit_tests.track_api.loopback import Reply, Request

NUMBERS = [
    "12345678901234567.89",
    "-0.30000000000000001",
    "99999999999999.97",
    "1234567890123456.78",
    "12.5",
    "1.0",
]
REGION = b'{"url":"https://track.customer.io","region":"us","environment_id":1}'
TARGETS = {
    "person_identify": '"person_id":"u1"',
    "person_event": '"person_id":"u1","event_name":"paid"',
    "person_device": '"person_id":"u1","device_token":"t","platform":"ios"',
    "person_relationship": '"person_id":"u1","object_type_id":"1","object_id":"acme"',
    "object_identify": '"object_type_id":"1","object_id":"acme"',
}


def accept(request: Request) -> Reply:
    """The answers of a Track API that accepts everything."""
    return http(200, REGION if request.method == "GET" else b"{}")


def attributes(server: Server) -> dict[str, Any]:
    """The attributes of the only entry that was sent, with all digits."""
    (body,) = (request.body for request in server.requests if request.method == "POST")
    (entry,) = json.loads(body, parse_float=Decimal)["batch"]
    if "cio_relationships" in entry:
        entry = entry["cio_relationships"][0]
    found: dict[str, Any] = (
        entry["device"]["attributes"]
        if "device" in entry
        else entry.get("attributes") or entry["relationship_attributes"]
    )
    return found


def line_of(columns: str) -> bytes:
    """A RECORD with these columns and the numbers, at the root and in a nested object."""
    numbers = ",".join(NUMBERS)
    data = f'{{{columns},"amount":{NUMBERS[0]},"nested":{{"all":[{numbers}]}},"text":"{NUMBERS[0]}"}}'
    return f'{{"type":"RECORD","record":{{"stream":"rows","emitted_at":1,"data":{data}}}}}'.encode()


EXPECTED = {
    "amount": Decimal(NUMBERS[0]),
    "nested": {"all": [Decimal(number) for number in NUMBERS]},
    "text": NUMBERS[0],
}


@pytest.mark.parametrize("target", TARGETS)
def test_decimals_are_sent_with_their_digits(target: str) -> None:
    """In the attributes of every object, at any depth."""
    with Server(accept) as server:
        config = config_for(server.url, identifierType="id")
        done = run_connector("write", config, catalog_of(stream("rows", target)), [line_of(TARGETS[target])])
    assert (done.exit_code, done.errors) == (0, [])
    assert attributes(server) == EXPECTED


@pytest.mark.parametrize("kind", ["CSV", "JSONL"])
def test_decimals_keep_their_digits_through_the_bucket_and_a_replay(bucket: Bucket, kind: str) -> None:
    """They are copied into the file, and sent from it, as written."""
    catalog = catalog_of(stream("rows", "person_identify", sync_id=42))
    storage = bucket.config(format={"format_type": kind})
    with Server(accept) as server:
        config = config_for(server.url, object_storage_config=storage)
        done = run_connector("write", config, catalog, [line_of('"person_id":"u1"')])
        assert done.exit_code == 0
        ended = run_command("replay", {**config, "identifierType": "id"}, catalog)
    assert "1 row accepted, 0 rejected again. Done." in ended.stdout
    assert attributes(server) == EXPECTED
