"""Generates reproducible Airbyte lines for the benchmarks.

A line combines its number with a row of a pool (`row_pools`), in a few hundred nanoseconds, so that a generator at the
other end of a pipe is never the bottleneck.

`python -m benchmarks.inputs '[{"kind": "people", "rows": 1000}]'` writes the lines to stdout.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

import orjson

from benchmarks.row_pools import row_pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OBJECT_OF_KIND = {
    "people": "person_identify",
    "events": "person_event",
    "large": "person_event",
    "real_people": "person_identify",
    "real_events": "person_event",
    "integer_times": "person_event",
    "long_digits": "person_event",
    "long_decimals": "person_event",
    "30_columns": "person_event",
    "300_columns": "person_event",
}

_PEOPLE_WITH_EVENTS = 50_000
# Coprime to the number of people, so that they come in a scattered order.
_SCATTER = 7_368_787
_EMITTED_AT = 1_764_000_000_000
_LINES_A_WRITE = 512


@dataclass(frozen=True, slots=True)
class Rows:
    """What to generate.

    kind          plain rows: people (lines of about 400 bytes), events (about 600), large (events of about 30 KB); real
                  rows: real_people, real_events, and events that differ from these in one thing: integer_times (no
                  times as text), long_digits (a text of 24 digits), long_decimals (a number of 19), 30_columns and 300_columns
    rows          number of rows, over all streams
    state_every   rows between states; each stream also gets one at the end
    streams       number of streams, filled round-robin
    reject_every  every n-th row has no person, and is rejected; 0 for none
    hot_every     every n-th row belongs to the same person; 0 for none
    """

    kind: str
    rows: int
    state_every: int = 10_000
    streams: int = 1
    reject_every: int = 0
    hot_every: int = 0

    @property
    def stream_names(self) -> list[str]:
        """The names of the streams."""
        return [self.kind] if self.streams == 1 else [f"{self.kind}_{n}" for n in range(self.streams)]

    @property
    def rejected(self) -> int:
        """How many of the rows are rejected."""
        return -(-self.rows // self.reject_every) if self.reject_every else 0


def lines(wanted: Rows) -> Iterator[bytes]:
    """The lines, states included, each with its newline."""
    pool = row_pool(wanted.kind)
    heads = [record_start(name) for name in wanted.stream_names]
    for number in range(wanted.rows):
        stream = number % wanted.streams
        yield b'%s%s,"row_number":%d,%s}}}\n' % (
            heads[stream],
            _person(wanted, number),
            number,
            pool[number % len(pool)],
        )
        if (number + 1) % wanted.state_every == 0:
            yield state(wanted.stream_names[stream], number)
    for name in wanted.stream_names:
        yield state(name, wanted.rows - 1)


def command(*parts: Rows) -> list[str]:
    """The command that writes these lines to its stdout, part by part."""
    return [sys.executable, "-m", "benchmarks.inputs", json.dumps([asdict(part) for part in parts])]


def _person(wanted: Rows, number: int) -> bytes:
    if wanted.reject_every and number % wanted.reject_every == 0:
        return b"null"
    if wanted.hot_every and number % wanted.hot_every == 0:
        return b'"busy@example.com"'
    person = number if wanted.kind == "people" else number * _SCATTER % _PEOPLE_WITH_EVENTS
    return b'"user%07d@example.com"' % person


def record_start(stream: str) -> bytes:
    """The beginning of a RECORD message, up to the value of `person_email`."""
    return b'{"type":"RECORD","record":{"stream":"%s","emitted_at":%d,"data":{"person_email":' % (
        stream.encode(),
        _EMITTED_AT,
    )


def state(stream: str, number: int) -> bytes:
    """A STATE message of a stream, with the number of the last row as its cursor."""
    content = {"stream_descriptor": {"name": stream}, "stream_state": {"cursor": number}}
    return orjson.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": content}}) + b"\n"


def main(parts: Sequence[Rows]) -> None:
    """Write the lines of all parts to stdout."""
    for part in parts:
        each = lines(part)
        while chunk := b"".join(islice(each, _LINES_A_WRITE)):
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main([Rows(**part) for part in json.loads(sys.argv[1])])
