"""Made the rows in `data/`: `python -m integration_tests.demo.make_data`. Invented people, the same ones every time.

They look as warehouse rows do: names in many scripts, nulls, times as ISO text and as milliseconds, ids as UUIDs, numbers
and text. A few are wrong, each in its own way; `expected.py` says what is to become of them.
"""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from integration_tests.demo.expected import DATA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Row = dict[str, Any]

PEOPLE = 2_000
EVENTS = 3_000

_FIRST = [
    "Ada",
    "Chloé",
    "Łucja",
    "Jürgen",
    "Søren",
    "Αθηνά",
    "Олена",
    "يوسف",
    "नेहा",
    "花子",
    "민준",
    "Thảo",
    "Zoë",
    "Kwame",
]
_LAST = [
    "Okafor",
    "Nuñez",
    "Müller",
    "Šimek",
    "Παππά",
    "Коваль",
    "حداد",
    "शर्मा",
    "佐藤",
    "김",
    "Nguyễn",
    "O'Neil",
    "van Dijk",
]
_PLANS = ["free", "team", "pro", None]
_COUNTRIES = ["GB", "DE", "BR", "IN", "JP", "KE", "UA", None]
_PRODUCTS = ["Tea 🍵", "Coffee, ground", 'The "large" box', "Grüner Veltliner", "お茶"]
_START = datetime(2026, 1, 1, tzinfo=UTC)


def people(rng: random.Random) -> Iterator[Row]:
    """Rows of the stream `users`."""
    for number in range(PEOPLE):
        joined = _moment(rng)
        yield {
            "person_email": f"user{number}@example.com",
            "name": f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
            "plan": rng.choice(_PLANS),
            "country": rng.choice(_COUNTRIES),
            "created_at": joined.isoformat().replace("+00:00", "Z"),
            "last_order_at": int(joined.timestamp() * 1000) if rng.random() < 0.5 else None,
            "lifetime_value": round(rng.random() * 900, 2),
            "warehouse_id": 2**60 + number,
            "preferences": {"newsletter": rng.random() < 0.5, "topics": rng.sample(_PRODUCTS, 2)},
        }


def wrong_people() -> list[Row]:
    """Rows of `users` that can't be sent."""
    return [
        {"person_email": None, "name": "Nobody Known", "plan": "free"},
        {"person_email": "   ", "name": "Blank Space", "plan": "free"},
        {"person_email": "essay@example.com", "name": "Long Story", "biography": "And then … " * 120},
        {"person_email": ["a@example.com", "b@example.com"], "name": "Two Addresses"},
    ]


def events(rng: random.Random) -> Iterator[Row]:
    """Rows of the stream `orders`."""
    for number in range(EVENTS):
        ordered = _moment(rng)
        as_text = ordered.strftime("%Y-%m-%d %H:%M:%S.%f%z")
        yield {
            "person_email": f"User{rng.randrange(PEOPLE)}@Example.com",
            "event_name": rng.choice(["order_paid", "order_shipped", "order_returned"]),
            "event_id": str(uuid.UUID(int=rng.getrandbits(128))) if number % 3 else number,
            "timestamp": as_text if number % 2 else int(ordered.timestamp() * 1000),
            "product": rng.choice(_PRODUCTS),
            "amount": round(rng.random() * 200, 2),
            "discount": None,
            "lines": [{"sku": f"S-{rng.randrange(99)}", "quantity": rng.randrange(1, 5)}],
        }


def wrong_events() -> list[Row]:
    """Rows of `orders` that can't be sent."""
    paid = {"person_email": "user1@example.com", "event_name": "order_paid"}
    return [
        {**paid, "timestamp": "last Tuesday", "amount": 12},
        {**paid, "timestamp": True, "amount": 13},
        {**paid, "event_name": "", "amount": 14},
        {**paid, "event_name": "order_" * 20, "amount": 15},
        {**paid, "attachment": "x" * 40_000, "amount": 16},
    ]


def _moment(rng: random.Random) -> datetime:
    return _START + timedelta(seconds=rng.randrange(300 * 86_400), milliseconds=rng.randrange(1_000))


def _write(name: str, rows: Sequence[Row]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (DATA / name).write_text("\n".join(lines) + "\n")


def _mixed(good: Iterator[Row], wrong: list[Row]) -> list[Row]:
    """The wrong rows among the good ones, far apart."""
    rows = list(good)
    for number, row in enumerate(wrong):
        rows.insert((number + 1) * len(rows) // (len(wrong) + 1), row)
    return rows


if __name__ == "__main__":
    random_numbers = random.Random(20_261_124)  # noqa: S311 - invented rows, the same ones every time
    _write("users.jsonl", _mixed(people(random_numbers), wrong_people()))
    _write("orders.jsonl", _mixed(events(random_numbers), wrong_events()))
