"""Stdin as it may come: in any pieces, with any ends of lines, and with lines that end the sync."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import partial

from integration_tests.connector import (
    Connector,
    catalog_of,
    config_for,
    cursors,
    record,
    run_at_once,
    run_connector,
    stream,
    stream_state,
)
from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"), stream("orders", "person_event", namespace="shop"))
# Part of every invalid line; it must not appear in any output.
CANARY = "canary-7f3a"


def user(number: int) -> bytes:
    """One row, with a character of more than one byte."""
    content = {"stream": "users", "data": {"person_email": f"u{number}@example.com", "name": "Zoë 😀"}}
    return json.dumps({"type": "RECORD", "record": content}, ensure_ascii=False).encode()


def test_lines_may_come_in_any_pieces(api: LocalTrackApi) -> None:
    """Cut within a character, with CRLF, with blank lines, with messages of other kinds, without a last newline."""
    others = [
        {"type": "LOG", "log": {"level": "INFO", "message": "from the source"}},
        {"type": "TRACE", "trace": {"type": "ESTIMATE", "emitted_at": 1.0}},
        {"type": "CONTROL", "control": {}},
    ]
    lines = [user(1), b"", *(json.dumps(other).encode() for other in others), b"   ", user(2)]
    text = b"\r\n".join([*lines, stream_state("users", 1)])
    cut = text.index("Zoë".encode()) + 3
    assert text[cut - 1 : cut + 1].decode() == "ë"
    with Connector("write", config_for(api.url), CATALOG) as connector:
        for piece in (text[:1], text[1:cut], text[cut : cut + 40], text[cut + 40 :]):
            connector.send_piece(piece)
        done = connector.finish()
    assert (done.exit_code, done.errors, done.stderr) == (0, [], "")
    assert {person.attributes["name"] for person in api.world.profiles()} == {"Zoë 😀"}
    assert len(api.world.profiles()) == 2
    assert cursors(done.states) == [1]
    # The line's own end does not get into the acknowledgement.
    assert not any(line.endswith(b"\r\n") for line in done.lines)


def test_an_empty_input_is_a_sync_of_no_rows(api: LocalTrackApi) -> None:
    """It succeeds, sends nothing, and says so."""
    done = run_connector("write", config_for(api.url), CATALOG)
    assert (done.exit_code, done.errors, done.states, done.stderr) == (0, [], [], "")
    assert api.report()["requests"] == {"region": 1}
    assert "Stream users: 0 rows read, 0 delivered, 0 rejected." in done.logs
    assert "Stream shop.orders: 0 rows read, 0 delivered, 0 rejected." in done.logs


BROKEN = {
    "not UTF-8": b'{"type":"RECORD","record":{"stream":"users","data":{"a":"' + CANARY.encode() + b'\xff"}}}',
    "text of another program": f"warning: {CANARY}".encode(),
    "a row of an unknown stream": record("strangers", {"person_email": CANARY}),
    "a state of an unknown stream": stream_state("strangers", CANARY),
}


def test_an_invalid_line_ends_the_sync() -> None:
    """The error has the line's number and none of its content; what came before is delivered and acknowledged."""
    # So much follows that it can't all be read in one piece.
    message = json.dumps({"type": "LOG", "log": {"level": "INFO", "message": "x" * 100_000}}).encode()
    before = [user(1), stream_state("users", 1), b"", user(2)]
    after = [*[message] * 8, user(3), stream_state("users", 2)]
    with ExitStack() as stack:
        servers = {name: stack.enter_context(LocalTrackApi()) for name in BROKEN}
        runs = {
            name: partial(
                run_connector, "write", config_for(servers[name].url), CATALOG, [*before, line, *after]
            )
            for name, line in BROKEN.items()
        }
        for name, done in run_at_once(runs).items():
            message_of_trace = done.failure("system_error")
            assert "Line 5 " in message_of_trace, name
            assert "nothing after it was processed" in message_of_trace
            assert cursors(done.states) == [1]
            assert servers[name].world.person(email="u1@example.com")
            assert not servers[name].world.person(email="u3@example.com")
            assert CANARY not in b"".join(done.lines).decode()


def test_a_row_nested_beyond_any_parser_is_one_rejected_row(api: LocalTrackApi) -> None:
    """The rows around it are delivered."""
    deep = b"[" * 20_000 + b"]" * 20_000
    line = (
        b'{"type":"RECORD","record":{"stream":"users","data":{"person_email":"d@b.c","deep":' + deep + b"}}}"
    )
    lines = [user(1), line, user(2), stream_state("users", 1)]
    done = run_connector("write", config_for(api.url), CATALOG, lines)
    assert (done.exit_code, len(api.world.profiles())) == (0, 2)
    assert [tuple(state["destinationStats"].values()) for state in done.states] == [(2.0, 1.0)]
