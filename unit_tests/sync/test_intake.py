"""Lines become rows and states, or end the sync with an error that has the line number but none of its content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.delivery.batch import Batch, Batcher
from destination_customerio.delivery.endpoint_batcher import EndpointBatcher
from destination_customerio.delivery.partitioner import Barrier, Partitioner
from destination_customerio.errors import ProtocolError, Rejection
from destination_customerio.ledger import Ledger
from destination_customerio.mapping.airbyte_columns import DELETED
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.limits import MAX_COLUMN_BYTES
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.sync.intake import Intake, RejectedRow, SkippedType
from destination_customerio.sync.stream_sync import StreamSync
from unit_tests.exact_json import json_values

if TYPE_CHECKING:
    from destination_customerio.mapping.destination_object import DestinationObject

DEEP = b"[" * 10_000 + b"]" * 10_000


class IntakeHarness:
    """An intake of the streams `users` (by id) without and with the namespace `eu`, and its results."""

    def __init__(self, streams: list[StreamSync] | None = None, target_name: str = "person_identify") -> None:
        settings = AssemblySettings(
            identifier_kind=IDENTIFIER_KINDS["id"],
            event_id_strategy="none",
            convert_timestamps=False,
            fresh_id=FreshIds(),
        )
        target = DESTINATION_OBJECTS[target_name]
        self.streams = (
            streams
            if streams is not None
            else [StreamSync(Stream("users", namespace), target, settings) for namespace in (None, "eu")]
        )
        self.ledger = Ledger()
        has_members = any(sync.target.is_member for sync in self.streams)
        self.batcher = (EndpointBatcher if has_members else Batcher)(1)
        self.sent: list[Batch] = []
        self.rejected: list[tuple[StreamSync, bytes, Rejection]] = []
        self.skipped: list[str] = []
        self.intake = Intake(self.streams, self.ledger, self.batcher, Partitioner(1))

    def read(self, *lines: bytes) -> list[dict[str, Any]]:
        """Read lines as one block; returns the entries that they became."""
        for made in self.intake.read_block(b"\n".join(lines), 0.0):
            match made:
                case Batch():
                    self.sent.append(made)
                case RejectedRow(sync, epoch, line, rejection):
                    assert epoch.outstanding
                    self.rejected.append((sync, line, rejection))
                case SkippedType(name):
                    self.skipped.append(name)
                case Barrier():
                    raise AssertionError(made)
        batches = self.batcher.seal()
        bodies = [json.loads(batch.body_of(range(len(batch)))) for batch in batches if len(batch)]
        return [entry for body in bodies for entries in body.values() for entry in entries]

    def failure(self, *lines: bytes) -> str:
        """The message of the error."""
        with pytest.raises(ProtocolError) as caught:
            self.read(*lines)
        return str(caught.value)


def row(data: str, **more: Any) -> bytes:
    """A RECORD of `users` with its data as it is written here."""
    members = {"stream": "users", **more}
    written = "".join(f'"{name}":{json.dumps(value)},' for name, value in members.items())
    return f'{{"type":"RECORD","record":{{{written}"data":{data}}}}}'.encode()


@pytest.fixture
def harness() -> IntakeHarness:
    """An intake of two streams."""
    return IntakeHarness()


def test_rows_are_counted_by_stream(harness: IntakeHarness) -> None:
    """Streams that differ only in namespace are distinct."""
    entries = harness.read(
        row('{"person_id":"a"}'), row('{"person_id":"b"}', namespace="eu"), row("{}", namespace=None)
    )
    assert [entry["identifiers"]["id"] for entry in entries] == ["a", "b"]
    assert [sync.counts.read for sync in harness.streams] == [2, 1]
    ((sync, line, rejection),) = harness.rejected
    assert (sync, line, rejection.reason) == (harness.streams[0], row("{}", namespace=None), "required")


@pytest.mark.parametrize("namespace", [None, ""])
def test_an_empty_namespace_is_none(harness: IntakeHarness, namespace: str | None) -> None:
    """Absent, null or empty; any other is a different stream."""
    harness.read(row('{"person_id":"a"}', namespace=namespace), row('{"person_id":"a"}', namespace="eu"))
    assert [sync.counts.read for sync in harness.streams] == [1, 1]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.50", "1.50"),
        ("-9223372036854775809", "-9223372036854775809"),
        ('"12345678901234567890123"', "12345678901234567890123"),
    ],
)
def test_identifiers_keep_their_digits(harness: IntakeHarness, written: str, sent: str) -> None:
    """However they are written."""
    (entry,) = harness.read(row(f'{{"person_id":{written},"x":0.1}}'))
    assert entry["identifiers"] == {"id": sent}
    assert entry["attributes"] == {"x": 0.1}
    assert harness.streams[0].counts.read == 1


def test_an_unusual_line_does_not_change_other_lines(harness: IntakeHarness) -> None:
    """Of the same block."""
    entries = harness.read(
        row('{"person_id":"a","x":1.5}'),
        row(f'{{"person_id":"b","x":{2**80}}}'),
        row('{"person_id":"c","x":NaN}'),
    )
    assert [entry["attributes"]["x"] for entry in entries] == [1.5, 2**80, None]


@pytest.mark.parametrize("blank", [b"", b"  ", b"\r", b"\t"])
def test_blank_lines_are_ignored_but_counted(harness: IntakeHarness, blank: bytes) -> None:
    """The line number in an error is that of the input."""
    assert "Line 4 " in harness.failure(blank, row('{"person_id":"a"}') + b"\r", blank, b"oops")
    assert len(harness.batcher.seal()) == 1


@pytest.mark.parametrize(
    "kind", ["LOG", "TRACE", "CONTROL", "SPEC", "CATALOG", "CONNECTION_STATUS", "DESTINATION_CATALOG"]
)
def test_other_messages_of_the_protocol_are_ignored(harness: IntakeHarness, kind: str) -> None:
    """A destination does nothing for them."""
    assert harness.read(json.dumps({"type": kind, "secret": "x"}).encode()) == []


@pytest.mark.parametrize(
    "line",
    [
        b"c4nary",
        b'"c4nary"',
        b'["c4nary"]',
        b'{"c4nary":1}',
        b'{"type":{"c4nary":1}}',
        b'{"type":"RECORD"}',
        b'{"type":"RECORD","record":"c4nary"}',
        b'{"type":"RECORD","record":{"stream":["c4nary"],"data":{}}}',
        b'{"type":"RECORD","record":{"stream":"users","namespace":["c4nary"],"data":{}}}',
        b'{"type":"","c4nary":1}',
        b'{"type":null,"c4nary":1}',
        b'{"type":" record ","record":{"stream":"users","data":{"person_id":"c4nary"}}}',
        b'{"type":"State","state":"c4nary"}',
        b'{"type":"RECORD","record":{"stream":"users"}}',
        b'{"type":"RECORD","record":{"stream":"users","data":null}}',
        b'{"type":"RECORD","record":{"stream":"users","data":"c4nary"}}',
        b'{"type":"RECORD","record":{"stream":"users","data":' + DEEP + b"}}",
        b'{"type":"RECORD","record":{"stream":"users","data":["c4nary"]}}',
        b'{"type":"STATE","state":"c4nary"}',
        b'{"type":"STATE","state":{"type":{"c4nary":1}}}',
        b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":["c4nary"]}}}}',
        b'{"type":"RECORD","record":{"stream":["c4nary"],"data":{"x":' + DEEP + b"}}}",
        b'{"type":"RECORD","record":{"stream":"users","data":{"x":"c4nary',
        b"\xff\xfe c4nary",
    ],
)
def test_an_invalid_line_ends_the_sync(harness: IntakeHarness, line: bytes) -> None:
    """The error names the line number but not its content; rows before the line are read, rows after it are not."""
    message = harness.failure(row('{"person_id":"a"}'), line, row('{"person_id":"b"}'))
    assert "Line 2 " in message
    assert "c4nary" not in message.lower()
    assert [len(batch) for batch in harness.batcher.seal()] == [1]


def state(name: str, namespace: str | None = None) -> bytes:
    """A STATE of a stream."""
    descriptor = {"name": name, "namespace": namespace}
    return json.dumps(
        {"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_descriptor": descriptor}}}
    ).encode()


UNKNOWN_STREAM = "which is not a stream of the configured catalog"
WITHOUT_DATA = "is a row without data"
NOT_A_MESSAGE = "is not a message of the Airbyte protocol"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (row("null"), f"{WITHOUT_DATA}: its `data` is null. It belongs to stream users."),
        (row("null", namespace="eu"), "its `data` is null. It belongs to stream eu.users."),
        (row("[1]"), f"{WITHOUT_DATA}: its `data` is missing or not an object."),
        (b'{"type":"RECORD","record":{"stream":"users"}}', "its `data` is missing or not an object."),
        (row(DEEP.decode()), "its `data` is missing or not an object."),
        (row("{}", namespace="us"), f"is a row of stream us.users, {UNKNOWN_STREAM}."),
        (row("{}", stream="strangers"), f"is a row of stream strangers, {UNKNOWN_STREAM}."),
        (row("null", stream="strangers"), f"is a row of stream strangers, {UNKNOWN_STREAM}."),
        (
            row('{"x":' + DEEP.decode() + "}", stream="strangers"),
            f"a row of stream strangers, {UNKNOWN_STREAM}.",
        ),
        (row("{}", stream="a\x1b[2J\n" + "x" * 500), "is a row of stream a�[2J�" + "x" * 194 + ", which"),
        (state("strangers", "shop"), f"is a state of stream shop.strangers, {UNKNOWN_STREAM}."),
        (state("users", "us"), f"is a state of stream us.users, {UNKNOWN_STREAM}."),
        (b"oops", f"{NOT_A_MESSAGE}: it is not valid JSON."),
        (b"7", f"{NOT_A_MESSAGE}: it has no type."),
        (b'{"type":"RECORD"}', f"{NOT_A_MESSAGE}: it is a RECORD that names no stream."),
        (b'{"type":"STATE","state":7}', f"{NOT_A_MESSAGE}: it is a STATE of unknown form."),
        (b'{"type":"record"}', f"{NOT_A_MESSAGE}: its type is not spelled RECORD or STATE"),
    ],
)
def test_the_three_errors_of_a_line_differ(harness: IntakeHarness, line: bytes, words: str) -> None:
    """Each says what the line is, what became of the data, and what to do about this cause."""
    message = harness.failure(line)
    assert message.startswith("Line 1 of the input is ")
    assert words in message
    assert "Rows before it were delivered; nothing after it was processed" in message
    remedies = {
        UNKNOWN_STREAM: "refresh the source's schema",
        WITHOUT_DATA: "update it, or deselect this stream",
        NOT_A_MESSAGE: "only the source writes to this input",
    }
    assert [remedy in message for remedy in remedies.values()] == [kind in message for kind in remedies]


def harness_of(*names: tuple[str | None, str]) -> IntakeHarness:
    """An intake of the streams with these namespaces and names."""
    template = IntakeHarness().streams[0]
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS["id"],
        event_id_strategy="none",
        convert_timestamps=False,
        fresh_id=FreshIds(),
    )
    return IntakeHarness(
        [StreamSync(Stream(name, namespace), template.target, settings) for namespace, name in names]
    )


def test_an_unknown_stream_is_answered_with_the_candidates() -> None:
    """Those with the same name in other namespaces; if there are none, all of the catalog, up to a limit."""
    harness = harness_of(("a", "users"), ("b", "users"), (None, "orders"))
    assert "Candidates in the catalog: a.users, b.users. " in harness.failure(row("{}"))
    assert "Candidates in the catalog: a.users, b.users. " in harness.failure(state("users", "c"))
    assert "Candidates in the catalog: a.users, b.users, orders. " in harness.failure(row("{}", stream="x"))
    many = harness_of(*((None, f"s{number}") for number in range(1_000)))
    assert "s18, s19 and 980 more. " in many.failure(row("{}"))
    assert "Candidates in the catalog: none. " in harness_of().failure(row("{}"))


@pytest.mark.parametrize(
    ("in_catalog", "in_message"), [("shop", None), ("shop", ""), (None, "shop"), ("", "shop")]
)
def test_a_missing_namespace_is_matched_where_the_name_is_unique(
    in_catalog: str | None, in_message: str | None
) -> None:
    """PyAirbyte's cache leaves it out in records and states; other catalogs do."""
    harness = harness_of((in_catalog, "users"), ("other", "orders"))
    deep = row('{"person_id":"b","x":' + DEEP.decode() + "}", namespace=in_message)
    (entry,) = harness.read(row('{"person_id":"a"}', namespace=in_message), deep)
    assert entry["identifiers"] == {"id": "a"}
    assert harness.streams[0].counts.read == 2
    assert [sync for sync, _, _ in harness.rejected] == [harness.streams[0]]
    epoch = harness.streams[0].queue.current
    harness.read(state("users", in_message))
    assert epoch.checkpoint is not None
    assert epoch.checkpoint.state == state("users", in_message)


@pytest.mark.parametrize(
    ("names", "namespace"),
    [
        ([("a", "users"), ("b", "users")], None),
        ([(None, "users"), ("b", "users")], "c"),
        ([("a", "users")], "b"),
    ],
)
def test_an_ambiguous_or_different_namespace_is_not_guessed(
    names: list[tuple[str | None, str]], namespace: str | None
) -> None:
    """Rows of one stream must not be written as those of another."""
    assert UNKNOWN_STREAM in harness_of(*names).failure(row('{"person_id":"a"}', namespace=namespace))
    assert UNKNOWN_STREAM in harness_of(*names).failure(state("users", namespace))


def test_messages_of_an_unknown_type_are_skipped_and_reported_once(harness: IntakeHarness) -> None:
    """Newer versions of the protocol bring new types; a row that was printed as a line may have one that is a value."""
    new = [
        json.dumps(
            {"type": kind, "secret": "c4nary", "record": {"stream": "users", "data": {"person_id": "x"}}}
        ).encode()
        for kind in (
            "SOMETHING_NEW",
            "ada@example.com",
            "Founder",
            "SOMETHING_NEW",
            "4",
            "RECORD_2",
            "v" * 100,
        )
    ]
    deep = b'{"type":"NESTED","x":' + DEEP + b"}"
    log = b'{"type":"LOG","x":' + DEEP + b"}"
    entries = harness.read(*new, deep, log, row('{"person_id":"a"}'))
    assert [entry["identifiers"]["id"] for entry in entries] == ["a"]
    assert harness.skipped == ["SOMETHING_NEW", "", "NESTED"]


def test_reports_of_unknown_types_are_bounded(harness: IntakeHarness) -> None:
    """Each is skipped all the same."""
    words = ("new", "storage", "segment", "profile", "metadata", "identity")
    kinds = [f"{first}_{second}" for first in words for second in words]
    assert harness.read(*(json.dumps({"type": kind}).encode() for kind in kinds)) == []
    assert harness.skipped == kinds[:20]


def test_a_row_that_no_parser_can_follow_is_rejected(harness: IntakeHarness) -> None:
    """Only that row: its line is kept as it came, and the sync goes on."""
    deep = row('{"person_id":"a","x":' + DEEP.decode() + "}")
    entries = harness.read(deep, row('{"person_id":"b"}'))
    assert [entry["identifiers"]["id"] for entry in entries] == ["b"]
    ((sync, line, rejection),) = harness.rejected
    assert (sync, line) == (harness.streams[0], deep)
    assert "nested too deeply" in rejection.message


@pytest.mark.parametrize("depth", [*range(940, 1_030, 5), 1_500, 5_000, 9_990])
def test_a_row_near_the_limit_of_the_parser_is_read_or_rejected(harness: IntakeHarness, depth: int) -> None:
    """Which limit that is depends on the version of Python; the sync goes on in any case."""
    deep = "[" * depth + "]" * depth
    entries = harness.read(row(f'{{"person_id":1.50,"x":{deep}}}'), row('{"person_id":"b"}'))
    assert [entry["identifiers"]["id"] for entry in entries] == ["b"]
    ((_, _, rejection),) = harness.rejected
    # An attribute of this length could not be sent anyway.
    assert rejection.reason in ("invalid", "too_large")


COPIED = [
    "12345678901234567.89",
    "0.10000000000000000000000001",
    "1e400",
    "-0",
    "-0.0",
    "1.0",
    "1E+5",
    str(2**80),
    "9" * 900,
    r'"\u00e9\/\ud83d\ude00"',
    '"é\u007f"',
    '{"a":{"b":1,"b":2.50}}',
    "[" * 250 + "]" * 250,
]


@pytest.mark.parametrize("written", COPIED)
@pytest.mark.parametrize("beside", ["1", "NaN", r'"\ud800"', '"' + "9" * 30 + '"'])
def test_attributes_are_sent_as_they_came(harness: IntakeHarness, written: str, beside: str) -> None:
    """To the byte, also in a row in which something else has to be repaired."""
    line = row(f'{{"person_id":"a","x": {written} ,"y":{beside}}}')
    assert not list(harness.intake.read_block(line, 0.0))
    (batch,) = harness.batcher.seal()
    assert f'"attributes":{{"x":{written},"y":'.encode() in batch.body_of(range(1))


def test_what_json_cannot_hold_is_repaired_at_any_depth(harness: IntakeHarness) -> None:
    """The line in the dead letters stays as it was read."""
    line = row(r'{"person_id":"a","n":NaN,"x":[-Infinity,{"\ud800":"\udc00 NaN"}],"\ufeff":Infinity}')
    (entry,) = harness.read(line)
    assert entry["attributes"] == {"n": None, "x": [None, {"\ufffd": "\ufffd NaN"}], "\ufeff": None}
    harness.read(row(r'{"x":NaN,"person_id":"\ud800"}'))
    ((_, kept, rejection),) = harness.rejected
    assert kept == row(r'{"x":NaN,"person_id":"\ud800"}')
    assert (rejection.reason, rejection.field) == ("invalid", "person_id")


@pytest.mark.parametrize(
    "data",
    [
        b'{"person_id":"a","x":"\xff"}',
        b'{"person_id":"a","x":{"\xc3":1}}',
        b'{"person_id":"a","x":"\xed\xa0\x80"}',
        b'{"person_id":"a","x":"\xc0\x80"}',
        b'{"person_id":"a","\xfe":1}',
        b'{"person_id":"a","x":"\x01"}',
        b'{"person_id":"a","x":["\t"]}',
        b'{"person_id":"a","x":01}',
        b'{"person_id":"a","x":"\\x"}',
    ],
)
def test_bytes_that_are_no_json_text_are_never_copied(harness: IntakeHarness, data: bytes) -> None:
    """Whatever is in other rows of the block; the rows before are read."""
    before = row('{"person_id":"é","x":NaN}')
    line = b'{"type":"RECORD","record":{"stream":"users","data":' + data + b"}}"
    assert "Line 2 of the input is not a message" in harness.failure(before, line)
    (batch,) = harness.batcher.seal()
    assert len(batch) == 1


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        ('{"person_id":"x","b":1,"person_id":"a","b":2}', {"b": 2}),
        (r'{"perso\u006e_id":"a","\u0062":2}', {"b": 2}),
        (r'{"b":1,"person_id":"a","\u0062":2}', {"b": 2}),
        (r'{"b":NaN,"person_id":"a","\u0062":2}', {"b": 2}),
    ],
)
def test_names_count_by_their_characters_and_the_last_of_several_wins(
    harness: IntakeHarness, data: str, attributes: dict[str, Any]
) -> None:
    """As for every parser."""
    (entry,) = harness.read(row(data))
    assert (entry["identifiers"], entry["attributes"]) == ({"id": "a"}, attributes)


def test_space_between_values_does_not_count_towards_the_limits(harness: IntakeHarness) -> None:
    """It is left out where the row would be too long with it; what is sent is within the limits."""
    spaced = ", ".join(["1"] * 450)
    entries = harness.read(
        row(f'{{"person_id":"a","x":[{spaced}]}}'),
        row(f'{{"person_id":"b","x":[{spaced}, {spaced}]}}'),
        row(f'{{"person_id":"c","x":[1,{" " * 1_000}2]}}'),
    )
    assert [entry["identifiers"]["id"] for entry in entries] == ["a", "c"]
    ((_, _, rejection),) = harness.rejected
    assert (rejection.reason, rejection.field) == ("too_large", "x")
    assert "x is 1,801 bytes long" in rejection.message


def test_an_identifier_with_an_absurd_number_of_digits_is_rejected(harness: IntakeHarness) -> None:
    """More than int() converts."""
    harness.read(row(f'{{"person_id":{"9" * 5_000}}}'))
    ((_, _, rejection),) = harness.rejected
    assert rejection.field == "person_id"


def test_states_go_to_the_ledger_as_their_lines(harness: IntakeHarness) -> None:
    """Of one stream or of all; their bytes count until they are out."""
    of_stream = state("users")
    deep = b'{"type":"STATE","state":{"type":"LEGACY","data":' + DEEP + b"}}"
    harness.read(of_stream, deep)
    assert harness.ledger.waiting_bytes >= len(of_stream) + len(deep)
    assert [ready.state for ready in harness.ledger.take_ready()] == [of_stream, deep]
    assert harness.ledger.waiting_bytes == 0


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
def test_no_row_ends_the_sync(data: st.DataObject, target: DestinationObject) -> None:
    """Every row becomes an entry within the limits, or is rejected with a reason and a message."""
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
    harness = IntakeHarness([StreamSync(stream, target, settings)])
    entries = harness.read(*(row(json.dumps(COMPLETE | odd_row)) for odd_row in rows))
    assert len(entries) + len(harness.rejected) == len(rows) == harness.streams[0].counts.read
    for _, _, rejection in harness.rejected:
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
def test_a_line_is_read_or_raises_a_protocol_error(drawn: list[Any], data: st.DataObject) -> None:
    """No JSON, whole or truncated, raises any other exception, and every row that was read is counted."""
    lines = [data.draw(json_values.written(message)).replace("\n", " ").encode() for message in drawn]
    lines[-1] = lines[-1][: data.draw(st.integers(0, len(lines[-1])))]
    harness = IntakeHarness()
    try:
        entries = harness.read(*lines)
    except ProtocolError:
        return
    assert len(entries) + len(harness.rejected) == sum(sync.counts.read for sync in harness.streams)


def test_a_skipped_row_is_settled_at_once() -> None:
    """It counts as delivered for the platform, and holds back no state."""
    harness = IntakeHarness()
    gone = json.dumps({"person_id": "1", "_ab_cdc_deleted_at": "2024-03-18"})
    state = b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"users"}}}}'
    assert harness.read(row(gone), row(gone), state) == []
    counts = harness.streams[0].counts
    assert (counts.read, counts.delivered, counts.skipped, counts.waiting) == (2, 0, {DELETED: 2}, 0)
    assert [acknowledged[1:] for acknowledged in harness.ledger.take_ready()] == [(2, 0)]


LONG = MAX_COLUMN_BYTES + 1


def wide(columns: int, value: str = "0") -> bytes:
    """A long row of so many columns."""
    pad = "x" * (LONG // columns)
    further = "".join(f',"{pad}{number}":{value}' for number in range(columns - 1))
    return long_row(further)


def long_row(further: str) -> bytes:
    """A row with further columns."""
    return b'{"type":"RECORD","record":{"stream":"users","data":{"person_id":"7"%b}}}' % further.encode()


@pytest.mark.parametrize("value", ["0", "NaN", r'"\ud800"'])
def test_a_row_of_too_many_columns_is_rejected(value: str) -> None:
    """Each column takes an object of its own, so they are counted first; a row of other streams is an error as always."""
    harness = IntakeHarness()
    assert harness.read(
        wide(60_000, value), b'{"type":"RECORD","record":{"stream":"users","data":{"person_id":8}}}'
    ) == [{"type": "person", "action": "identify", "identifiers": {"id": "8"}, "attributes": {}}]
    ((_, line, rejection),) = harness.rejected
    assert line == wide(60_000, value)
    assert (rejection.reason, rejection.field) == ("too_large", "")
    assert "more than 50,000 columns" in rejection.message
    assert rejection.__traceback__ is None
    with pytest.raises(ProtocolError, match=r"Line 1 .* row of stream other"):
        IntakeHarness().read(wide(60_000, value).replace(b'"users"', b'"other"'))
    with pytest.raises(ProtocolError, match="not valid JSON"):
        IntakeHarness().read(wide(60_000, value)[:-1])
    with pytest.raises(ProtocolError, match="not valid JSON"):
        IntakeHarness().read(wide(60_000, "zero"))


@pytest.mark.parametrize("value", ["[1,{}]", '"x"', "12", "1.5"])
@pytest.mark.parametrize("column", ["person_id", "created_at", "unsubscribed", "cio_relationships", "note"])
def test_an_oversized_column_is_never_parsed(column: str, value: str) -> None:
    """The row is rejected as too large, or the column as what it is not; the other rows are sent."""
    enormous = {"[1,{}]": "[1" + ",{}" * LONG + "]", '"x"': '"' + "x" * LONG + '"'}.get(
        value, value + "1" * LONG
    )
    harness = IntakeHarness()
    assert harness.read(long_row(f',"{column}":{enormous}')) == []
    ((_, _, rejection),) = harness.rejected
    assert rejection.reason == "too_large"
    assert rejection.field in (column, "")
    if column in ("person_id", "cio_relationships"):
        assert f"{MAX_COLUMN_BYTES:,}" in rejection.message


@pytest.mark.parametrize("value", ["[%s]", '{"a":[%s]}', '{"topics":{"a":[%s]}}'])
@pytest.mark.parametrize(
    ("target", "column"),
    [
        ("person_identify", "person_id"),
        ("person_identify", "person_updated_at"),
        ("person_identify", "unsubscribed"),
        ("person_identify", "cio_subscription_preferences"),
        ("person_event", "event_id"),
        ("person_event", "timestamp"),
        ("object_relationship", "object_id"),
    ],
)
def test_a_large_object_or_array_in_a_named_column_is_never_parsed(
    target: str, column: str, value: str
) -> None:
    """It would take thirty times its memory, and no such column has room for it."""
    harness = IntakeHarness(target_name=target)
    named = '"object_type_id":1,"object_id":2,"event_name":"x"'
    row = f'{{"person_id":"7",{named},"{column}":{value % ",".join(["{}"] * 30_000)}}}'
    line = f'{{"type":"RECORD","record":{{"stream":"users","data":{row}}}}}'.encode()
    assert harness.read(line) == []
    ((_, _, rejection),) = harness.rejected
    assert (rejection.reason, rejection.field) == ("too_large", column)


def test_arrays_of_people_and_objects_may_be_longer() -> None:
    """Their items are read one by one, and divided among several requests."""
    ids = ",".join(["1" * 150] * 600)
    row = f'{{"person_id":"7","object_type_id":1,"object_id":[{ids}]}}'
    harness = IntakeHarness(target_name="person_relationship")
    line = f'{{"type":"RECORD","record":{{"stream":"users","data":{row}}}}}'.encode()
    assert list(harness.intake.read_block(line, 0.0)) == []
    (batch,) = harness.batcher.seal()
    (request,) = batch.requests()
    entries = json.loads(batch.body_of(request))["batch"]
    assert sum(len(entry["cio_relationships"]) for entry in entries) == 600


def test_space_between_values_does_not_make_a_column_oversized() -> None:
    """It isn't sent, where a row would be too long with it."""
    row = b'{"type":"RECORD","record":{"stream":"users","data":{"person_id":"7","n":[1,%b2]}}}' % (
        b" " * LONG
    )
    (entry,) = IntakeHarness().read(row)
    assert entry["attributes"] == {"n": [1, 2]}


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"STATE","state":{"type":"LEGACY"%b}}',
        b'{"type":"STATE","state":{"type":"LEGACY"}%b}',
        b'{"type":"STATE","state":{"sourceStats":{"recordCount":1%b},"data":{}}}',
    ],
)
def test_a_message_of_too_many_members_is_an_error(line: bytes) -> None:
    """No message of the protocol has them."""
    many = b"".join(b',"%bc%d":0' % (b"x" * 20, number) for number in range(60_000))
    with pytest.raises(ProtocolError, match="too many members"):
        IntakeHarness().read(line % many)


def test_a_name_that_is_too_long_is_none() -> None:
    """Neither a type nor a stream, and not a missing one either."""
    long = b"x" * 100_000
    for line, why in (
        (b'{"type":"STATE","state":{"type":"%b"}}' % long, "unknown form"),
        (b'{"type":"RECORD","record":{"stream":"%b","data":{}}}' % long, "names no stream"),
        (
            b'{"type":"RECORD","record":{"stream":"users","namespace":"%b","data":{}}}' % long,
            "names no stream",
        ),
    ):
        with pytest.raises(ProtocolError, match=why):
            IntakeHarness().read(line)


def test_a_long_row_that_is_nested_too_deeply_is_rejected() -> None:
    """However many members are in it; what is nested beside the row doesn't matter."""
    deep = '{"a":' * 300_000 + "0" + "}" * 300_000
    harness = IntakeHarness()
    assert harness.read(long_row(f',"deep":{deep}')) == []
    assert "nested too deeply" in harness.rejected[0][2].message
    beside = long_row("").removesuffix(b"}}") + f'}},"meta":{deep}}}}}'.encode()
    (entry,) = harness.read(beside.replace(b'"7"}},', b'"7"},'))
    assert entry["identifiers"] == {"id": "7"}
