"""The outcome of a demo run, and the check that nothing is missing from it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tools.demo.expected import (
    ORDERS,
    STREAMS,
    USERS,
    DemoStream,
    Row,
    expected_event,
    expected_person,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row from the bucket: its file, the reason, and the original row."""

    key: str
    reason: str
    column: str
    message: str
    row: Row


@dataclass(frozen=True, slots=True)
class AcknowledgedState:
    """One acknowledged state: its cursor, and the counts of rows since the previous state.

    The counts are None if the connector left them out.
    """

    stream: str
    cursor: int
    delivered: float | None
    rejected: float | None

    @classmethod
    def of(cls, state: Row) -> AcknowledgedState:
        """Parse the content of a STATE message."""
        counts = state.get("destinationStats", {})
        stream = state["stream"]
        return cls(
            stream["stream_descriptor"]["name"],
            stream["stream_state"]["cursor"],
            counts.get("recordCount"),
            counts.get("rejectedRecordCount"),
        )


@dataclass(slots=True)
class Outcome:
    """The input of the report.

    people, events  all of them, as listed by the local Track API
    traffic         the local Track API's report
    """

    people: list[Row]
    events: list[Row]
    traffic: dict[str, Any]
    states: list[AcknowledgedState]
    rejected: list[RejectedRow]


def read_rejected(client: S3Client, bucket: str) -> Iterator[RejectedRow]:
    """The rejected rows in gzipped, unflattened CSV files."""
    for found in client.list_objects_v2(Bucket=bucket).get("Contents", []):
        packed = client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        text = io.StringIO(gzip.decompress(packed).decode(), newline="")
        for line in csv.DictReader(text):
            row = json.loads(line["_airbyte_data"])
            reason, column, message = (row.pop(f"rejected_{part}") for part in ("reason", "field", "message"))
            yield RejectedRow(found["Key"], reason, column, message, row)


def problems(outcome: Outcome) -> list[str]:
    """A sentence for each problem; empty if there are none."""
    found: list[str] = []
    if violations := outcome.traffic["order_violations"]:
        found.append(f"Rows of one person reached the server out of order ({violations} violations).")
    if failures := outcome.traffic["server_failures"]:
        found.append(f"The local Track API itself failed ({len(failures)} failures): {failures[0]}")
    found += _differences(
        "People at the server",
        (_as_text(expected_person(row)) for row in USERS.good_rows),
        (_as_text(_known(person, "identifiers", "attributes")) for person in outcome.people),
    )
    found += _differences(
        "Events at the server",
        (_as_text(expected_event(row)) for row in ORDERS.good_rows),
        (
            _as_text(_known(event, "identifiers", "name", "timestamp", "attributes"))
            for event in outcome.events
        ),
    )
    for stream in STREAMS:
        found += _problems_of_stream(stream, outcome)
    return found


def _problems_of_stream(stream: DemoStream, outcome: Outcome) -> Iterator[str]:
    yield from _differences(
        f"Rejected rows of {stream.name} in the bucket",
        (
            f"{reason} {column} {_as_text(stream.rows[at - 1])}"
            for at, (reason, column) in stream.wrong.items()
        ),
        (
            f"{each.reason} {each.column} {_as_text(each.row)}"
            for each in outcome.rejected
            if f"/{stream.name}/" in each.key
        ),
    )
    states = [
        (state.cursor, state.delivered, state.rejected)
        for state in outcome.states
        if state.stream == stream.name
    ]
    if states != stream.states:
        yield (
            f"The acknowledged states of {stream.name} are {states} (rows read, delivered, rejected), "
            f"expected {stream.states}."
        )


def _differences(what: str, expected: Iterable[str], found: Iterable[str]) -> Iterator[str]:
    """Compare as multisets."""
    expected_bag, found_bag = Counter(expected), Counter(found)
    for kind, difference in (("missing", expected_bag - found_bag), ("too many", found_bag - expected_bag)):
        if difference:
            example = min(difference)
            yield f"{what}: {difference.total():,} {kind}, for example {example[:300]}"


def _known(thing: Row, *names: str) -> Row:
    return {name: thing[name] for name in names}


def _as_text(value: Row) -> str:
    """Equal text for equal content; the email comes first, in lower case because emails are case-insensitive."""
    rest = dict(value)
    email = rest.pop("identifiers", {}).get("email", "")
    return f"{email.lower()} {json.dumps(rest, ensure_ascii=False, sort_keys=True)}".lstrip()
