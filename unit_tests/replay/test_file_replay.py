"""Files are replayed one after the other through the same lanes and the same inbox."""

from __future__ import annotations

import io
import tempfile
import threading
from typing import TYPE_CHECKING

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters.reading.reader import layout_of, read_rows
from destination_customerio.errors import TransientError
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.replay.console import LineView
from destination_customerio.replay.file_replay import FileReplay
from destination_customerio.replay.record_message import replay_event_id
from destination_customerio.replay.summary import Summary
from destination_customerio.sync.dry_run import DryLanes
from destination_customerio.sync.events import Inbox
from destination_customerio.sync.stream_sync import StreamSync

if TYPE_CHECKING:
    from destination_customerio.dead_letters.reading.layout import DeadLetter


def a_file(rows: int) -> io.BytesIO:
    """A file of rows of 100 kB, most of it space between values."""
    return io.BytesIO(
        b"".join(
            b'{"_airbyte_raw_id":"%d","_airbyte_data":{"person_email":%b"a@example.com",'
            b'"rejected_reason":"required","rejected_field":"","rejected_message":""}}\n'
            % (row, b" " * 100_000)
            for row in range(rows)
        )
    )


@pytest.fixture
def users() -> StreamSync:
    """A stream of people."""
    settings = AssemblySettings(
        identifier_kind=IDENTIFIER_KINDS["email"],
        event_id_strategy="retry_safe",
        convert_timestamps=False,
        fresh_id=replay_event_id,
    )
    return StreamSync(Stream("users"), DESTINATION_OBJECTS["person_identify"], settings)


def a_replay(inbox: Inbox) -> FileReplay:
    """A replay that sends nothing, and shows nothing."""
    return FileReplay(DryLanes(2, inbox.post), inbox, LineView(lambda _: None))


def test_files_share_the_slots_of_the_inbox(users: StreamSync) -> None:
    """Each block frees its slot, so that later blocks and later files get one."""
    file_replay = a_replay(Inbox(slots=2))
    for _ in range(2):
        with tempfile.TemporaryFile() as spool:
            result = file_replay.run(layout_of(a_file(30)), users, lambda _: True, spool)
        assert (result.selected, result.accepted) == (30, 30)


def test_a_stopped_replay_does_not_wait_for_a_slot(users: StreamSync) -> None:
    """The thread that reads the file ends at once, although nobody will free a slot."""
    file_replay = a_replay(Inbox(slots=0))

    def stop(_: DeadLetter) -> bool:
        file_replay.stop(15)
        return True

    with tempfile.TemporaryFile() as spool:
        result = file_replay.run(layout_of(a_file(1)), users, stop, spool)
    assert result.stopped_by == 15
    assert "feed" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("inner", [b"\xff", b"1 2", b"nul", b"[}", b"0", b"1" * 5_000])
@pytest.mark.parametrize("deep", [b"[" * 3_000 + b"]" * 3_000, b"[" * 3_000], ids=["closed", "open"])
@pytest.mark.parametrize("layout", ["last", "first", "table"])
def test_a_row_that_is_nested_too_deeply_costs_only_itself(
    users: StreamSync, inner: bytes, deep: bytes, layout: str
) -> None:
    """The parser gives up on it before it sees what else is wrong; a line that is no JSON would end every replay."""
    file = {
        "last": b'{"_airbyte_data":{"a":%b,"b":%b}}\n' % (inner, deep),
        "first": b'{"_airbyte_data":{"b":%b,"a":%b}}\n' % (deep, inner),
        "table": b'"_airbyte_raw_id","_airbyte_data"\r\n"r","{""b"":%b,""a"":%b}"\r\n' % (deep, inner),
    }[layout]
    good = b'"s","{""person_email"":""a@b.c""}"\r\n'
    if layout != "table":
        good = b'{"_airbyte_data":{"person_email":"a@b.c"}}\n'
    with tempfile.TemporaryFile() as spool:
        result = a_replay(Inbox(slots=2)).run(
            layout_of(io.BytesIO(file + good)), users, lambda _: True, spool
        )
    assert (result.accepted, result.unreadable + result.new_reasons.rows) == (1, 1)
    summary = Summary()
    for row in read_rows(layout_of(io.BytesIO(file + good))):
        summary.add("users", row)
    assert summary.rows == 2


@pytest.mark.parametrize("cell", [b"[" * 3_000, b"[" * 3_000 + b"]" * 2_999, b"{" * 3_000 + b"}" * 3_001])
def test_a_cell_that_only_begins_like_json_is_text(users: StreamSync, cell: bytes) -> None:
    """However many brackets it has."""
    file = b'"_airbyte_raw_id","person_email","n","rejected_reason"\r\n"r","a@b.c","%b",""\r\n' % cell
    with tempfile.TemporaryFile() as spool:
        result = a_replay(Inbox(slots=2)).run(layout_of(io.BytesIO(file)), users, lambda _: True, spool)
    assert [reason for reason, _ in result.new_reasons.kinds] in ([], ["too_large"])
    assert result.unreadable == 0


def test_a_replay_that_fails_between_two_files_sends_nothing_of_the_next(users: StreamSync) -> None:
    """As when another replay has taken over the lease."""
    file_replay = a_replay(Inbox(slots=2))
    file_replay.fail(TransientError("lost"))
    with tempfile.TemporaryFile() as spool, pytest.raises(TransientError, match="lost"):
        file_replay.run(layout_of(a_file(30)), users, lambda _: True, spool)
    assert users.counts.read == 0
