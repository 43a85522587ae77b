"""The demo's report, for a terminal.

Terminals differ in the width of other scripts, so columns with such text come last in their line.
"""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tools.local_track_api.contract import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.demo.outcome import Outcome, RejectedRow

WIDTH = 100

_SHOWN = 4


def lines(outcome: Outcome) -> Iterator[str]:
    """The lines of the report, no wider than a terminal."""
    yield from _requests(outcome.traffic)
    yield from _people(outcome)
    yield from _events(outcome)
    yield from _rejected(outcome.rejected)
    yield from _states(outcome)


def _requests(traffic: dict[str, Any]) -> Iterator[str]:
    sizes = traffic["body_bytes"]
    statuses = ", ".join(f"{times} x {status}" for status, times in traffic["requests_by_status"].items())
    yield from ("", f"REQUESTS  {traffic['requests'].get('batch', 0)} with {traffic['entries']:,} rows")
    yield f"  fullest     {sizes['max']:>7,} of {MAX_BODY_BYTES:,} bytes ({sizes['max'] / MAX_BODY_BYTES:.2%})"
    yield f"  on average  {sizes['mean']:>7,.0f} bytes; the last request of each lane carries the remainder"
    yield f"  responses   {statuses}; up to {traffic['max_concurrent_requests']} requests in flight"


def _people(outcome: Outcome) -> Iterator[str]:
    yield from ("", f"PEOPLE  {len(outcome.people):,} at the server; the earliest by created_at:")
    shown = sorted(
        outcome.people, key=lambda person: (person["attributes"].get("created_at") or 0, _email(person))
    )[:_SHOWN]
    columns = ("created_at", "plan", "country", "lifetime_value", "name")
    yield from _table(
        ("email", *columns),
        [(_email(each), *(_value(each["attributes"].get(name)) for name in columns)) for each in shown],
    )


def _events(outcome: Outcome) -> Iterator[str]:
    yield from ("", f"EVENTS  {len(outcome.events):,} at the server; the earliest by timestamp:")
    shown = sorted(outcome.events, key=lambda event: (event["timestamp"] or 0, event["id"]))[:_SHOWN]
    yield from _table(
        ("timestamp", "event", "id", "email", "amount"),
        [
            (
                str(each["timestamp"]),
                each["name"],
                each["id"],
                _email(each),
                _value(each["attributes"].get("amount")),
            )
            for each in shown
        ],
    )


def _rejected(rejected: Sequence[RejectedRow]) -> Iterator[str]:
    yield from ("", f"REJECTED  {len(rejected)} rows, read from the bucket with their original columns")
    by_key: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rejected:
        by_key[row.key][row.reason, row.column].append(row.message)
    for key, reasons in by_key.items():
        yield f"  {key}"
        for (reason, column), messages in sorted(reasons.items()):
            head = f"    {len(messages)} x {reason:<9} {column or '(whole row)':<13} "
            # One message per reason and column, to keep the report short.
            yield from textwrap.wrap(
                messages[0], WIDTH, initial_indent=head, subsequent_indent=" " * len(head)
            )


def _states(outcome: Outcome) -> Iterator[str]:
    yield from (
        "",
        f"STATES  {len(outcome.states)} acknowledged, with the counts of rows since the previous state",
    )
    for state in outcome.states:
        yield (
            f"  {state.stream:<7} up to row {state.cursor:>5,}: "
            f"{state.delivered or 0:>5,.0f} delivered + {state.rejected or 0:.0f} rejected"
        )


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield _cut("  " + "  ".join(cells).rstrip())


def _email(thing: dict[str, Any]) -> str:
    email: str = thing["identifiers"]["email"]
    return email.lower()


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
