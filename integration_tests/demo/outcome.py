"""What a demo run left behind, and whether anything is missing from it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from integration_tests.demo.expected import STREAMS, DemoStream, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row out of the bucket: where it lay, why, and the row as it was."""

    key: str
    reason: str
    column: str
    row: Row


@dataclass(slots=True)
class Outcome:
    """Everything the report speaks of.

    people, events  as the local Track API's report and listings give them
    traffic         the local Track API's report
    states          the acknowledged states
    """

    exit_code: int
    people: list[Row]
    events: list[Row]
    traffic: dict[str, Any]
    states: list[Row]
    rejected: list[RejectedRow] = field(default_factory=list)


def read_rejected(client: S3Client, bucket: str) -> Iterator[RejectedRow]:
    """The rejected rows of gzipped, unflattened CSV files."""
    for found in client.list_objects_v2(Bucket=bucket).get("Contents", []):
        packed = client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        text = io.StringIO(gzip.decompress(packed).decode(), newline="")
        for line in csv.DictReader(text):
            row = json.loads(line["_airbyte_data"])
            reason, column, _ = (row.pop(f"rejected_{part}") for part in ("reason", "field", "message"))
            yield RejectedRow(found["Key"], reason, column, row)


def problems(outcome: Outcome) -> list[str]:
    """What is not as it should be, as sentences; none when all is well."""
    found: list[str] = []
    if outcome.exit_code != 0:
        found.append(f"The connector ended with exit code {outcome.exit_code}.")
    if outcome.traffic["order_violations"]:
        found.append(f"Rows of one person came out of order {outcome.traffic['order_violations']} times.")
    users, orders = STREAMS
    found += _count_problem("people", len(outcome.people), _good_rows(users))
    found += _count_problem("events", len(outcome.events), _good_rows(orders))
    for stream in STREAMS:
        found += _problems_of_stream(stream, outcome)
    return found


def _problems_of_stream(stream: DemoStream, outcome: Outcome) -> Iterator[str]:
    rejected = [rejected for rejected in outcome.rejected if f"/{stream.name}/" in rejected.key]
    reasons = Counter((row.reason, row.column) for row in rejected)
    if reasons != Counter(stream.rejected):
        yield f"The rejected rows of {stream.name} in the bucket are {dict(reasons)}, not {stream.rejected}."
    originals = stream.rows()
    for row in rejected:
        if row.row not in originals:
            yield f"A rejected row of {stream.name} in the bucket is not as it was in the warehouse."
    counts = _acknowledged(stream, outcome.states)
    expected = (float(_good_rows(stream)), float(sum(stream.rejected.values())))
    if counts != expected:
        yield f"The states of {stream.name} acknowledge {counts} rows (delivered, rejected), not {expected}."


def _good_rows(stream: DemoStream) -> int:
    return len(stream.rows()) - sum(stream.rejected.values())


def _count_problem(what: str, found: int, expected: int) -> list[str]:
    return [] if found == expected else [f"The server has {found:,} {what}, not {expected:,}."]


def _acknowledged(stream: DemoStream, states: Sequence[Row]) -> tuple[float, float]:
    statistics = [
        state["destinationStats"]
        for state in states
        if state["stream"]["stream_descriptor"]["name"] == stream.name
    ]
    return (
        sum(each["recordCount"] for each in statistics),
        sum(each["rejectedRecordCount"] for each in statistics),
    )
