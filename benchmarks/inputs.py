"""Generates reproducible Airbyte lines for the benchmarks.

A pool of rows is drawn once from a seeded generator. A line then combines its number with a row of the pool, in a few
hundred nanoseconds, so that a generator at the other end of a pipe is never the bottleneck.

`python -m benchmarks.inputs '[{"kind": "people", "rows": 1000}]'` writes the lines to stdout.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OBJECT_OF_KIND = {"people": "person_identify", "events": "person_event", "large": "person_event"}

_SEED = 20_261_124
# Primes, so that the pool's cycle does not align with that of streams or people.
_POOL_ROWS = {"people": 997, "events": 997, "large": 61}
_PEOPLE_WITH_EVENTS = 50_000
# Coprime to the number of people, so that they come in a scattered order.
_SCATTER = 7_368_787
_EMITTED_AT = 1_764_000_000_000
_LINES_A_WRITE = 512
_WORDS = ("alpha", "bravo", "delta", "foxtrot", "india", "kilo", "oscar", "romeo", "Zürich", "København")


@dataclass(frozen=True, slots=True)
class Rows:
    """What to generate.

    kind          people (lines of about 400 bytes), events (about 600) or large (events of about 30 KB)
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
    pool = _pool(wanted.kind)
    heads = [_head(name) for name in wanted.stream_names]
    for number in range(wanted.rows):
        stream = number % wanted.streams
        yield b'%s%s,"row_number":%d,%s}}}\n' % (
            heads[stream],
            _person(wanted, number),
            number,
            pool[number % len(pool)],
        )
        if (number + 1) % wanted.state_every == 0:
            yield _state(wanted.stream_names[stream], number)
    for name in wanted.stream_names:
        yield _state(name, wanted.rows - 1)


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


def _head(stream: str) -> bytes:
    return b'{"type":"RECORD","record":{"stream":"%s","emitted_at":%d,"data":{"person_email":' % (
        stream.encode(),
        _EMITTED_AT,
    )


def _state(stream: str, number: int) -> bytes:
    state = {"stream_descriptor": {"name": stream}, "stream_state": {"cursor": number}}
    return orjson.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": state}}) + b"\n"


def _pool(kind: str) -> list[bytes]:
    """Rows without braces and without the per-row columns."""
    rng = random.Random(f"{_SEED} {kind}")  # noqa: S311 - must be reproducible
    make = {"people": _person_columns, "events": _event_columns, "large": _large_columns}[kind]
    return [orjson.dumps(make(rng))[1:-1] for _ in range(_POOL_ROWS[kind])]


def _person_columns(rng: random.Random) -> dict[str, Any]:
    return {
        "first_name": _words(rng, 1),
        "last_name": _words(rng, 1),
        "created_at": rng.randrange(1_500_000_000, 1_764_000_000),
        "plan": rng.choice(["free", "team", "enterprise"]),
        "city": _words(rng, 1),
        "is_active": rng.random() < 0.8,
        "lifetime_value": round(rng.random() * 9_000, 2),
        "logins": rng.randrange(2_000),
        "last_seen": f"2026-{rng.randrange(1, 12):02d}-{rng.randrange(1, 29):02d}T08:15:00Z",
        "referrer": None if rng.random() < 0.3 else _words(rng, 2),
        "address": {"street": _words(rng, 2), "zip": str(rng.randrange(10_000, 99_999))},
    }


def _event_columns(rng: random.Random) -> dict[str, Any]:
    return {
        "event_name": rng.choice(["order_placed", "order_shipped", "page_viewed", "trial_ended"]),
        "timestamp": rng.randrange(1_700_000_000, 1_764_000_000),
        "order_id": f"{rng.getrandbits(64):016x}",
        "total": round(rng.random() * 400, 2),
        "currency": rng.choice(["EUR", "USD", "DKK"]),
        "note": _words(rng, 12),
        "coupon": None,
        "items": [
            {"sku": f"{rng.getrandbits(40):010x}", "name": _words(rng, 3), "quantity": rng.randrange(1, 9)}
            for _ in range(3)
        ],
        "shipping": {"city": _words(rng, 1), "express": rng.random() < 0.2},
    }


def _large_columns(rng: random.Random) -> dict[str, Any]:
    texts = {f"text_{number:02d}": _words(rng, 130) for number in range(33)}
    return {"event_name": "document_saved", "timestamp": 1_764_000_000, **texts}


def _words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(_WORDS, k=count))


def main(parts: Sequence[Rows]) -> None:
    """Write the lines of all parts to stdout."""
    for part in parts:
        each = lines(part)
        while chunk := b"".join(islice(each, _LINES_A_WRITE)):
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main([Rows(**part) for part in json.loads(sys.argv[1])])
