"""Input that no source should send, but some do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from integration_tests.connector import (
    catalog_of,
    cursors,
    global_state,
    record,
    run_connector,
    stream,
    stream_state,
)
from integration_tests.faults.storms import config_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"), stream("users", "person_identify", namespace="eu"))


def row(members: str) -> bytes:
    """A row of `users` with these members as they are written here."""
    return f'{{"type":"RECORD","record":{{"stream":"users","emitted_at":1,"data":{{{members}}}}}}}'.encode()


@pytest.mark.parametrize("mebibytes", [1, 10, 100])
def test_enormous_lines_are_rows_like_others(
    api: LocalTrackApi,
    bucket: Bucket,
    mebibytes: int,
    sized: Callable[[int, int], int],
    figures: Callable[..., None],
) -> None:
    """Too large for Customer.io, so rejected, and whole in the bucket; the rows around them are delivered."""
    if mebibytes > sized(10, 100):
        pytest.skip("`make chaos` sends lines of 100 MiB")
    text = "x" * (mebibytes << 20)
    lines = [
        record("users", {"person_email": "a@b.c"}),
        record("users", {"person_email": "b@b.c", "text": text}),
        record("users", {"person_email": "c@b.c"}),
        stream_state("users", 3),
    ]
    storage = bucket.config(format={"format_type": "JSONL"})
    done = run_connector("write", config_of(api, object_storage_config=storage), CATALOG, lines)
    assert (done.exit_code, len(api.world.profiles())) == (0, 2)
    assert done.states[0]["destinationStats"] == {"recordCount": 2.0, "rejectedRecordCount": 1.0}
    (key,) = bucket.keys()
    kept = json.loads(bucket.read(key))["_airbyte_data"]
    assert (kept["text"] == text, kept["rejected_reason"]) == (True, "too_large")
    figures(faults=f"a line of {mebibytes} MiB", rows=3)


def test_values_that_parsers_stumble_over_cost_no_sync(
    api: LocalTrackApi, figures: Callable[..., None]
) -> None:
    """Depth 10,000, lone surrogates, NUL, NaN, integers of 400 digits, duplicate keys: sent, or that row rejected."""
    digits = "9" * 400
    deep = "[" * 10_000 + "]" * 10_000
    sendable = {
        "surrogate": '"person_email":"s@b.c","v":"\\ud800"',
        "pair": '"person_email":"p@b.c","v":"\\ud83d\\ude00"',
        "nul": '"person_email":"n@b.c","v":"\\u0000"',
        "nan": '"person_email":"a@b.c","v":NaN',
        "digits": f'"person_email":"d@b.c","v":{digits}',
        "duplicate": '"person_email":"x@b.c","v":1,"v":2,"person_email":"k@b.c"',
    }
    lines = [row(members) for members in sendable.values()]
    lines += [row(f'"person_email":"deep@b.c","v":{deep}'), stream_state("users", 1)]
    done = run_connector("write", config_of(api), CATALOG, lines)
    assert (done.exit_code, done.errors) == (0, [])
    assert done.states[0]["destinationStats"] == {"recordCount": 6.0, "rejectedRecordCount": 1.0}
    values = {person.identifiers["email"]: person.attributes["v"] for person in api.world.profiles()}
    assert values == {
        "s@b.c": "\ufffd",
        "p@b.c": "\U0001f600",
        "n@b.c": "\x00",
        "a@b.c": None,
        "d@b.c": int(digits),
        "k@b.c": 2,
    }
    figures(faults="values of 7 odd kinds", rows=7)


def test_lines_may_end_as_they_like(api: LocalTrackApi) -> None:
    """CRLF, blank lines, no final newline."""
    pieces = [
        row('"person_email":"a@b.c"') + b"\r\n",
        b"\r\n\n",
        stream_state("users", 1) + b"\r\n",
        row('"person_email":"b@b.c"'),
    ]
    done = run_connector("write", config_of(api), CATALOG, [b"".join(pieces)])
    assert (done.exit_code, cursors(done.states), len(api.world.profiles())) == (0, [1], 2)


def test_an_empty_input_and_streams_without_rows(api: LocalTrackApi) -> None:
    """States before any row, many in a row, of one stream and of all."""
    assert run_connector("write", config_of(api), CATALOG).exit_code == 0
    lines = [
        stream_state("users", 0),
        stream_state("users", 1, namespace="eu"),
        global_state(2),
        global_state(3),
    ]
    done = run_connector("write", config_of(api), CATALOG, lines)
    assert (done.exit_code, len(done.states)) == (0, 4)
    assert api.report()["requests"].get("batch", 0) == 0


def test_a_thousand_streams_are_only_many_streams(
    api: LocalTrackApi, sized: Callable[[int, int], int], figures: Callable[..., None]
) -> None:
    """Each with its rows and its states; two that differ only in namespace are two."""
    number = sized(200, 1_000)
    catalog = catalog_of(*(stream("users", "person_identify", namespace=f"n{n}") for n in range(number)))
    lines = []
    for n in range(number):
        lines.append(record("users", {"person_email": f"u{n}@b.c"}, namespace=f"n{n}"))
        lines.append(stream_state("users", n, namespace=f"n{n}"))
    done = run_connector("write", config_of(api), catalog, lines)
    assert done.exit_code == 0
    assert sorted(cursors(done.states)) == list(range(number))
    assert len(api.world.profiles()) == number
    assert any("not listed." in line for line in done.logs)
    figures(faults=f"{number:,} streams", rows=number)
