"""The samples of rows that become something else than one entry of a batch."""

from __future__ import annotations

import json
from typing import Any

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dry_run.samples import SamplingAssembler, SentRow, StreamSamples
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.endpoints import SegmentMember, Several
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.sync.stream_sync import StreamSync
from unit_tests.exact_json.raw_rows import raw_row


def sampled(object_name: str, row: dict[str, Any]) -> tuple[Any, SentRow]:
    """What a row is assembled to, and the sample of it."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS["email"],
        event_id_strategy="none",
        convert_timestamps=False,
        fresh_id=FreshIds(),
    )
    sync = StreamSync(Stream("rows"), DESTINATION_OBJECTS[object_name], settings)
    samples = StreamSamples(1, sync)
    record = {"stream": "rows", "data": row, "emitted_at": 1}
    line = json.dumps({"type": "RECORD", "record": record}).encode()
    outcome = SamplingAssembler(sync.assembler, samples).assemble(raw_row(row), line)
    assert isinstance(outcome, tuple)
    (sample,) = samples.rows
    assert isinstance(sample, SentRow)
    return outcome[1], sample


def test_a_divided_row_is_shown_with_its_first_entry() -> None:
    """And with the number of entries; every column has its use."""
    objects = [{"identifiers": {"object_type_id": "1", "object_id": f"o{n}" + "x" * 90}} for n in range(600)]
    row = {"person_email": "a@example.com", "cio_relationships": objects, "plan": "pro"}
    assembled, sample = sampled("person_identify", row)
    assert isinstance(assembled, Several)
    assert sample.entries == len(assembled.entries) > 1
    assert sample.entry == json.loads(assembled.entries[0])
    assert [(use.column, use.use) for use in sample.uses] == [
        ("person_email", "identifier"),
        ("cio_relationships", "named"),
        ("plan", "attribute"),
    ]


def test_a_member_is_shown_with_what_its_endpoint_says() -> None:
    """The segment, the action and the kind of identifier are no part of the body."""
    assembled, sample = sampled("segment_remove", {"person_email": "a@example.com", "segment_id": 7})
    assert isinstance(assembled, SegmentMember)
    assert sample.entries == 1
    assert sample.entry == {
        "action": "remove_customers",
        "segment_id": "7",
        "id_type": "email",
        "ids": ["a@example.com"],
    }
