"""The demo's report, for a person at a terminal."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.demo.outcome import Outcome

_WIDTH = 100
_SHOWN = 3


def lines(outcome: Outcome) -> Iterator[str]:
    """The report, line by line, no wider than a terminal."""
    yield from _section("Requests")
    sizes = outcome.traffic["body_bytes"]
    yield (
        f"  {outcome.traffic['requests']['batch']} batches with {outcome.traffic['entries']:,} rows, "
        f"up to {outcome.traffic['max_concurrent_requests']} at once"
    )
    yield (f"  the fullest of them has {sizes['max']:,} of 500,000 bytes, the average {sizes['mean']:,.0f}")
    yield from _section(f"People, as the server has them: {len(outcome.people):,}")
    for person in outcome.people[:_SHOWN]:
        yield _cut(f"  {person['identifiers']['email']:<22} {_json(person['attributes'])}")
    yield from _section(f"Events: {len(outcome.events):,}")
    for event in outcome.events[:_SHOWN]:
        yield _cut(f"  {event['name']:<14} {event['id']} {event['timestamp']} {_json(event['attributes'])}")
    yield from _section(f"Rejected rows: {len(outcome.rejected)}, each in the bucket with its reason")
    reasons = Counter((row.key, row.reason, row.column) for row in outcome.rejected)
    for (key, reason, column), rows in sorted(reasons.items()):
        yield f"  {rows} x {reason:<10} {column or '(the whole row)':<16} {key}"
    yield from _section(f"States acknowledged: {len(outcome.states)}")
    for state in outcome.states:
        name = state["stream"]["stream_descriptor"]["name"]
        counts = state["destinationStats"]
        yield (
            f"  {name:<8} up to row {state['stream']['stream_state']['cursor']:>5}: "
            f"{counts['recordCount']:>6,.0f} delivered, {counts['rejectedRecordCount']:.0f} rejected"
        )


def _section(title: str) -> tuple[str, str]:
    return "", title


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
