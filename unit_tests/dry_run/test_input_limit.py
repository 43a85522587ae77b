"""A dry run reads no more rows than it was asked to."""

from __future__ import annotations

import threading

import pytest

from destination_customerio.airbyte.stdin import EndOfInput, Lines
from destination_customerio.dry_run.input_limit import RowLimit
from destination_customerio.sync.events import Event, Inbox
from integration_tests.connector import record, stream_state

ROWS = [record("users", {"n": number}).rstrip(b"\n") for number in range(5)]
STATE = stream_state("users", 1).rstrip(b"\n")


def passed_on(limit: int, blocks: list[bytes]) -> list[Event]:
    """The events that arrive until the input ends, while the reader waits forever."""
    inbox = Inbox()
    row_limit = RowLimit(inbox, limit)

    def read() -> None:
        for block in blocks:
            row_limit.post(Lines(block))
        row_limit.post(EndOfInput())

    threading.Thread(target=read, daemon=True).start()
    events: list[Event] = []
    while not events or not isinstance(events[-1], EndOfInput):
        event = inbox.take(timeout_seconds=30)
        assert event is not None
        events.append(event)
    assert row_limit.is_reached == (limit <= sum(block.count(b'"RECORD"') for block in blocks))
    return events


@pytest.mark.parametrize("limit", range(1, 6))
@pytest.mark.parametrize("sizes", [(5,), (2, 3), (1, 1, 1, 1, 1)])
def test_the_input_ends_right_after_the_last_row(limit: int, sizes: tuple[int, ...]) -> None:
    """However the rows are spread over blocks, exactly the first ones are passed on."""
    blocks, at = [], 0
    for size in sizes:
        blocks.append(b"\n".join(ROWS[at : at + size]))
        at += size
    *lines, end = passed_on(limit, blocks)
    read = [line for event in lines if isinstance(event, Lines) for line in event.block.split(b"\n")]
    assert read == ROWS[:limit]
    assert end == EndOfInput()


def test_only_rows_count() -> None:
    """States, logs, and a row whose type is spelled with escapes."""
    escaped = ROWS[1].replace(b'"RECORD"', b'"\\u0052ECORD"')
    log = b'{"type":"LOG","log":{"level":"INFO","message":"no \\"RECORD\\""}}'
    *lines, _ = passed_on(2, [b"\n".join((STATE, ROWS[0], log, escaped, STATE, ROWS[2]))])
    assert lines == [Lines(b"\n".join((STATE, ROWS[0], log, escaped)))]


def test_an_input_with_fewer_rows_is_read_to_its_end() -> None:
    """The limit is an upper one."""
    assert passed_on(9, [ROWS[0]]) == [Lines(ROWS[0]), EndOfInput()]
