"""Lines become rows and states, or end the sync with the number of the line and nothing of its content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.delivery.partitioner import Barrier, PinningPartitioner
from destination_customerio.errors import ProtocolError, Rejection
from destination_customerio.ledger import Ledger
from destination_customerio.mapping.airbyte_columns import DELETED
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, DestinationObject
from destination_customerio.sync.intake import Intake, RejectedRow
from destination_customerio.sync.stream_sync import StreamSync
from unit_tests.exact_json import json_values

DEEP = b"[" * 10_000 + b"]" * 10_000


class World:
    """An intake of the streams `users` (by id) without and with the namespace `eu`, and what it did."""

    def __init__(self, streams: list[StreamSync] | None = None) -> None:
        settings = AssemblySettings(
            identifier_kind=IDENTIFIER_KINDS["id"],
            event_id_strategy="none",
            convert_timestamps=False,
            fresh_id=FreshIds(),
        )
        target = DESTINATION_OBJECTS["person_identify"]
        self.streams = streams or [
            StreamSync(Stream("users", namespace), target, settings) for namespace in (None, "eu")
        ]
        self.ledger = Ledger()
        self.batcher = Batcher(1)
        self.sent: list[Batch] = []
        self.rejected: list[tuple[StreamSync, bytes, Rejection]] = []
        self.intake = Intake(self.streams, self.ledger, self.batcher, PinningPartitioner(1))

    def read(self, *lines: bytes) -> list[dict[str, Any]]:
        """Take lines in as one block; returns the entries they became."""
        for made in self.intake.read_block(b"\n".join(lines), 0.0):
            match made:
                case Batch():
                    self.sent.append(made)
                case RejectedRow(sync, epoch, line, rejection):
                    assert epoch.outstanding
                    self.rejected.append((sync, line, rejection))
                case Barrier():
                    raise AssertionError(made)
        batches = self.batcher.seal()
        bodies = [json.loads(batch.body(0, len(batch))) for batch in batches if len(batch)]
        return [entry for body in bodies for entry in body["batch"]]

    def failure(self, *lines: bytes) -> str:
        """What the error says."""
        with pytest.raises(ProtocolError) as caught:
            self.read(*lines)
        return str(caught.value)


def row(data: str, **more: Any) -> bytes:
    """A RECORD of `users` with its data as it is written here."""
    extra = "".join(f',"{name}":{json.dumps(value)}' for name, value in more.items())
    return f'{{"type":"RECORD","record":{{"stream":"users","data":{data}{extra}}}}}'.encode()


@pytest.fixture
def world() -> World:
    """A new one."""
    return World()


def test_rows_become_entries_in_their_streams_count(world: World) -> None:
    """Streams that differ only in namespace are two."""
    entries = world.read(
        row('{"person_id":"a"}'), row('{"person_id":"b"}', namespace="eu"), row("{}", namespace=None)
    )
    assert [entry["identifiers"]["id"] for entry in entries] == ["a", "b"]
    assert [sync.counts.read for sync in world.streams] == [2, 1]
    ((sync, line, rejection),) = world.rejected
    assert (sync, line, rejection.reason) == (world.streams[0], row("{}", namespace=None), "required")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.50", "1.50"),
        ("-9223372036854775809", "-9223372036854775809"),
        ('"12345678901234567890123"', "12345678901234567890123"),
    ],
)
def test_identifiers_keep_their_digits(world: World, written: str, sent: str) -> None:
    """A row whose digits count is read a second time, exactly."""
    (entry,) = world.read(row(f'{{"person_id":{written},"x":0.1}}'))
    assert entry["identifiers"] == {"id": sent}
    assert entry["attributes"] == {"x": 0.1}
    assert world.streams[0].counts.read == 1


def test_long_integers_in_one_line_leave_its_neighbours_alone(world: World) -> None:
    """All lines of a block are read the careful way when one needs it."""
    entries = world.read(
        row('{"person_id":"a","x":1.5}'),
        row(f'{{"person_id":"b","x":{2**80}}}'),
        row('{"person_id":"c","x":NaN}'),
    )
    assert [entry["attributes"]["x"] for entry in entries] == [1.5, 2**80, None]


@pytest.mark.parametrize("blank", [b"", b"  ", b"\r", b"\t"])
def test_blank_lines_are_counted_and_mean_nothing(world: World, blank: bytes) -> None:
    """The number in an error is that of the line in the input."""
    assert "Line 4 " in world.failure(blank, row('{"person_id":"a"}') + b"\r", blank, b"oops")
    assert len(world.batcher.seal()) == 1


@pytest.mark.parametrize(
    "kind", ["LOG", "TRACE", "CONTROL", "SPEC", "CATALOG", "CONNECTION_STATUS", "DESTINATION_CATALOG"]
)
def test_other_messages_of_the_protocol_are_passed_over(world: World, kind: str) -> None:
    """A destination has nothing to do for them."""
    assert world.read(json.dumps({"type": kind, "secret": "x"}).encode()) == []


@pytest.mark.parametrize(
    "line",
    [
        b"c4nary",
        b'"c4nary"',
        b'["c4nary"]',
        b'{"c4nary":1}',
        b'{"type":"C4NARY"}',
        b'{"type":{"c4nary":1}}',
        b'{"type":"RECORD"}',
        b'{"type":"RECORD","record":"c4nary"}',
        b'{"type":"RECORD","record":{"stream":"c4nary","data":{}}}',
        b'{"type":"RECORD","record":{"stream":["c4nary"],"data":{}}}',
        b'{"type":"RECORD","record":{"stream":"users","namespace":"c4nary","data":{}}}',
        b'{"type":"RECORD","record":{"stream":"users"}}',
        b'{"type":"RECORD","record":{"stream":"users","data":["c4nary"]}}',
        b'{"type":"STATE","state":"c4nary"}',
        b'{"type":"STATE","state":{"type":{"c4nary":1}}}',
        b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"c4nary"}}}}',
        b'{"type":"RECORD","record":{"stream":"c4nary","data":{"x":' + DEEP + b"}}}",
        b'{"type":"RECORD","record":{"stream":"users","data":{"x":"c4nary',
        b"\xff\xfe c4nary",
    ],
)
def test_a_line_that_is_no_message_of_the_sync_ends_it(world: World, line: bytes) -> None:
    """With its number and never its content; the row before it is taken in, and none behind it."""
    message = world.failure(row('{"person_id":"a"}'), line, row('{"person_id":"b"}'))
    assert "Line 2 " in message
    assert "c4nary" not in message.lower()
    assert [len(batch) for batch in world.batcher.seal()] == [1]


def test_a_row_that_no_parser_can_follow_is_rejected(world: World) -> None:
    """Only that row: its line is kept as it came, and the sync goes on."""
    deep = row('{"person_id":"a","x":' + DEEP.decode() + "}")
    entries = world.read(deep, row('{"person_id":"b"}'))
    assert [entry["identifiers"]["id"] for entry in entries] == ["b"]
    ((sync, line, rejection),) = world.rejected
    assert (sync, line) == (world.streams[0], deep)
    assert "nested too deeply" in rejection.message


@pytest.mark.parametrize("depth", [900, 990, 1_000, 1_010, 1_020])
def test_a_deep_row_whose_digits_count_is_rejected(world: World, depth: int) -> None:
    """The fast parser follows a little deeper than the exact one, and that must not end the sync."""
    deep = "[" * depth + "]" * depth
    entries = world.read(row(f'{{"person_id":1.50,"x":{deep}}}'), row('{"person_id":"b"}'))
    assert [entry["identifiers"]["id"] for entry in entries] == ["b"]
    ((_, _, rejection),) = world.rejected
    assert (rejection.reason, "nested too deeply" in rejection.message) == ("invalid", True)


def test_states_go_to_the_ledger_as_their_lines(world: World) -> None:
    """Of one stream or of all; their bytes count until they are out."""
    state = b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"}}}}'
    deep = b'{"type":"STATE","state":{"type":"LEGACY","data":' + DEEP + b"}}"
    world.read(state, deep)
    assert world.ledger.waiting_bytes >= len(state) + len(deep)
    assert [ready.state for ready in world.ledger.take_ready()] == [state, deep]
    assert world.ledger.waiting_bytes == 0


odd = st.one_of(
    json_values.nested(
        st.none()
        | st.booleans()
        | json_values.integers
        | st.floats()  # NaN and the infinities, too
        | json_values.broken_text
        | st.sampled_from(
            ["", " ", "2024-02-30", "9999-12-31T23:59:60Z", "0" * 30, "1e5", "{}", "ios", "A@B.c"]
        ),
        json_values.broken_text,
    ),
    st.sampled_from(["a@b.c", "+4412345", "7", 7, 1.5, 1e22, 2**70, "2024-01-01", 1_700_000_000]),
)
COMPLETE = {
    "person_email": "a@b.c",
    "person_id": "7",
    "person_cio_id": "7",
    "person_phone": "+4412345",
    "event_name": "e",
    "name": "n",
    "device_token": "t",
    "platform": "ios",
    "object_type_id": "1",
    "object_id": "o",
    "primary_id": "1",
    "secondary_id": "2",
}
ATTRIBUTES = ("created_at", "cio_subscription_preferences", "day", "recipient")


@given(data=st.data(), target=st.sampled_from([*DESTINATION_OBJECTS.values()]))
def test_no_row_is_odd_enough_to_end_the_sync(data: st.DataObject, target: DestinationObject) -> None:
    """Whatever its columns hold, it becomes an entry within the limits, or is rejected in words; its neighbours too."""
    kind = IDENTIFIER_KINDS[data.draw(st.sampled_from(sorted(IDENTIFIER_KINDS)))]
    named = st.sampled_from([*(column.name for column in target.named_columns(kind)), *ATTRIBUTES])
    odd_rows = st.dictionaries(named | named | json_values.broken_text, odd, min_size=1, max_size=2)
    rows = data.draw(st.lists(odd_rows, min_size=1, max_size=8))
    settings = AssemblySettings(
        identifier_kind=kind,
        event_id_strategy=data.draw(st.sampled_from(["retry_safe", "from_row", "none"])),
        convert_timestamps=True,
        fresh_id=FreshIds(),
    )
    stream = Stream("users", properties={"day": {"type": "string", "format": "date"}})
    world = World([StreamSync(stream, target, settings)])
    entries = world.read(*(row(json.dumps(COMPLETE | odd_row)) for odd_row in rows))
    assert len(entries) + len(world.rejected) == len(rows) == world.streams[0].counts.read
    for _, _, rejection in world.rejected:
        assert rejection.message
        assert rejection.reason in {"required", "invalid", "too_large"}


messages = st.one_of(
    json_values.values,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["RECORD", "STATE", "LOG"]) | json_values.values},
        optional={
            "record": json_values.values
            | st.fixed_dictionaries(
                {},
                optional={
                    "stream": st.just("users") | json_values.values,
                    "namespace": st.just("eu") | json_values.values,
                    "data": json_values.values,
                },
            ),
            "state": json_values.values
            | st.fixed_dictionaries(
                {"type": st.sampled_from(["STREAM", "GLOBAL", "LEGACY"]) | json_values.values},
                optional={"stream": json_values.values},
            ),
        },
    ),
)


@given(st.lists(messages, min_size=1, max_size=3), st.data())
def test_a_line_is_taken_in_or_ends_the_sync_in_words(said: list[Any], data: st.DataObject) -> None:
    """No other exception comes of any JSON, whole or cut off; what was taken in is counted."""
    lines = [data.draw(json_values.written(message)).replace("\n", " ").encode() for message in said]
    lines[-1] = lines[-1][: data.draw(st.integers(0, len(lines[-1])))]
    world = World()
    try:
        entries = world.read(*lines)
    except ProtocolError:
        return
    assert len(entries) + len(world.rejected) == sum(sync.counts.read for sync in world.streams)


def test_a_skipped_row_is_settled_at_once() -> None:
    """It counts as delivered for the platform, and holds back no state."""
    world = World()
    gone = json.dumps({"person_id": "1", "_ab_cdc_deleted_at": "2024-03-18"})
    state = b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"}}}}'
    assert world.read(row(gone), row(gone), state) == []
    counts = world.streams[0].counts
    assert (counts.read, counts.delivered, counts.skipped, counts.waiting) == (2, 0, {DELETED: 2}, 0)
    assert [acknowledged[1:] for acknowledged in world.ledger.take_ready()] == [(2, 0)]
