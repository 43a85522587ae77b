"""The rows of the benchmarks: a pool for each kind, drawn once from a seeded generator.

Plain rows have short values and integer timestamps. Real rows are as warehouses have them: times as ISO text with and
without fractions and zones, 19-digit integers, decimals with all their digits, nested objects, nulls, any language.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import orjson

_SEED = 20_261_124
# Primes, so that the pool's cycle does not align with that of streams or people.
_POOL_ROWS = 997
_POOL_ROWS_OF_LONG_KINDS = {"large": 61, "300_columns": 61}
_WORDS = ("alpha", "bravo", "delta", "foxtrot", "india", "kilo", "oscar", "romeo", "Zürich", "København")


def row_pool(kind: str) -> list[bytes]:
    """Rows of a kind as JSON, without braces and without the columns that differ in each row."""
    make = _COLUMNS_OF_KIND[kind]
    # Kinds that differ in one thing have the same rows otherwise.
    seed = "real_events" if make.func is _real_event_columns else kind
    rng = random.Random(f"{_SEED} {seed}")  # noqa: S311 - must be reproducible
    rows = (make(rng) for _ in range(_POOL_ROWS_OF_LONG_KINDS.get(kind, _POOL_ROWS)))
    return [_json(row)[1:-1] for row in rows]


def _json(row: dict[str, Any]) -> bytes:
    """A row as sources write it: compact, decimals with their digits."""
    return orjson.dumps({name: _fragment(value) for name, value in row.items()})


def _fragment(value: Any) -> Any:
    return orjson.Fragment(str(value)) if isinstance(value, Decimal) else value


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


def _real_person_columns(rng: random.Random) -> dict[str, Any]:
    return {
        "account_id": _long_integer(rng),
        "first_name": _words(rng, 1),
        "last_name": rng.choice(["Müller", "Nguyễn", "Østergård", "田中", "O'Neill"]),
        "created_at": _iso_time(rng),
        "updated_at": _iso_time(rng),
        "last_order_at": None if rng.random() < 0.4 else _iso_time(rng),
        "phone_country": rng.choice(["GB", "DK", None]),
        "lifetime_value": _decimal(rng, 7, 4),
        "churn_score": rng.random(),
        "orders": rng.randrange(400),
        "is_active": rng.random() < 0.8,
        "segment": rng.choice(["trial", "self-serve", "enterprise", None]),
        "external_ref": f"{rng.getrandbits(128):032x}",
        "address": _address(rng),
        "tags": _words(rng, 3).split(),
        "bio": _words(rng, 10),
        "deleted_reason": None,
    }


def _real_event_columns(
    rng: random.Random,
    *,
    has_text_times: bool = True,
    has_long_digits: bool = False,
    rate_digits: int = 12,
    further: int = 0,
) -> dict[str, Any]:
    times = [_iso_time(rng) for _ in range(3)]
    occurred, created, paid = times if has_text_times else [_unix_seconds(time) for time in times]
    columns: dict[str, Any] = {
        "event_name": rng.choice(["order_placed", "order_shipped", "page_viewed", "trial_ended"]),
        "timestamp": occurred,
        "order_id": _long_integer(rng),
        "created_at": created,
        "paid_at": paid,
        "total": _decimal(rng, 5, 2),
        "exchange_rate": round(_decimal(rng, 1, 18), rate_digits),
        "reference": _reference(rng, "0123456789" if has_long_digits else "bcdfghjkmn"),
        "note": _words(rng, 8),
        "coupon": None,
        "referrer": None if rng.random() < 0.5 else "https://www.example.com/kampagne?utm_source=nyhedsbrev",
        "items": [
            {
                "sku": f"{rng.getrandbits(40):010x}",
                "name": _words(rng, 3),
                "price": round(rng.random() * 90, 2),
            }
            for _ in range(3)
        ],
        "shipping": _address(rng),
    }
    more = {f"column_{number:03d}": _further_column(rng, number) for number in range(further)}
    return columns | more


def _further_column(rng: random.Random, number: int) -> Any:
    makers = (
        _iso_time,
        _long_integer,
        lambda rng: _words(rng, 2),
        lambda _: None,
        lambda rng: _decimal(rng, 4, 3),
    )
    return makers[number % len(makers)](rng)


def _address(rng: random.Random) -> dict[str, Any]:
    position = {"lat": round(rng.uniform(-90, 90), 6), "lon": round(rng.uniform(-180, 180), 6)}
    return {
        "street": _words(rng, 2),
        "zip": str(rng.randrange(10_000, 99_999)),
        "geo": position,
        "unit": None,
    }


def _iso_time(rng: random.Random) -> str:
    """A moment within the last years, in one of the forms that databases and sources write."""
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(60_000_000))
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rng.randrange(1_000_000):06d}"
    return rng.choice(
        (f"{text}Z", f"{text}.{fraction}Z", f"{text}.{fraction}", f"{text}+02:00", text.replace("T", " "))
    )


def _unix_seconds(text: str) -> int:
    return int(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp())


def _long_integer(rng: random.Random) -> int:
    return rng.randrange(10**18, 2**63)


def _decimal(rng: random.Random, whole_digits: int, fraction_digits: int) -> Decimal:
    return Decimal(rng.randrange(10 ** (whole_digits + fraction_digits))).scaleb(-fraction_digits)


def _reference(rng: random.Random, characters: str) -> str:
    return "".join(rng.choices(characters, k=24))


def _words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(_WORDS, k=count))


_COLUMNS_OF_KIND = {
    "people": partial(_person_columns),
    "events": partial(_event_columns),
    "large": partial(_large_columns),
    "real_people": partial(_real_person_columns),
    "real_events": partial(_real_event_columns),
    "integer_times": partial(_real_event_columns, has_text_times=False),
    "long_digits": partial(_real_event_columns, has_long_digits=True),
    "long_decimals": partial(_real_event_columns, rate_digits=18),
    # With the person and the row's number.
    "30_columns": partial(_real_event_columns, further=30 - 15),
    "300_columns": partial(_real_event_columns, further=300 - 15),
}
