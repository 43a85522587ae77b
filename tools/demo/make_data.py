"""Generates the sample rows in `data/`: `python -m tools.demo.make_data`. Fictional people, reproducibly.

They resemble warehouse rows: names in many scripts, nulls, times as ISO text and as milliseconds, ids as UUIDs, numbers
and text. A few are bad, each in a different way; `expected` says which, and with what outcome.
"""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tools.demo.expected import DATA, ORDERS, USERS, DemoStream, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

_PEOPLE = 2_000
_ORDERS = 3_000

# Country, first names and last names, each with its spelling in an email address.
_CULTURES = (
    ("GB", "Ada/ada Zoë/zoe Callum/callum", "Okafor/okafor O'Neil/oneil Whitby/whitby"),
    ("DE", "Jürgen/juergen Käthe/kaethe Lena/lena", "Müller/mueller Groß/gross Vogt/vogt"),
    ("BR", "João/joao Inês/ines Caio/caio", "Gonçalves/goncalves Araújo/araujo Teles/teles"),
    ("CZ", "Šárka/sarka Jiří/jiri Eliška/eliska", "Šimek/simek Dvořák/dvorak Malá/mala"),
    ("GR", "Αθηνά/athina Νίκος/nikos Ελένη/eleni", "Παππά/pappa Δήμου/dimou Ρήγας/rigas"),
    ("UA", "Олена/olena Тарас/taras Юлія/yuliia", "Коваль/koval Шевчук/shevchuk Їжак/yizhak"),  # noqa: RUF001 - Cyrillic
    ("EG", "يوسف/youssef مريم/mariam عمر/omar", "حداد/haddad منصور/mansour سالم/salem"),
    ("IN", "नेहा/neha अर्जुन/arjun मीरा/meera", "शर्मा/sharma वर्मा/varma जोशी/joshi"),
    ("JP", "花子/hanako 健太/kenta さくら/sakura", "佐藤/sato 高橋/takahashi 渡辺/watanabe"),
    ("KR", "민준/minjun 서연/seoyeon 지호/jiho", "김/kim 박/park 최/choi"),
    ("VN", "Thảo/thao Dũng/dung Quỳnh/quynh", "Nguyễn/nguyen Phạm/pham Đặng/dang"),
    ("KE", "Wanjiru/wanjiru Otieno/otieno Amani/amani", "Kamau/kamau Odhiambo/odhiambo Njoroge/njoroge"),
)
_FAMILY_NAME_FIRST = {"JP", "KR", "VN"}
_PLANS = ("free", "free", "team", "pro", None)
_PRODUCTS = {
    "Tea 🍵": 7.5,
    "Coffee, ground": 9.9,
    'The "large" box': 24.0,
    "Grüner Veltliner": 13.2,
    "お茶": 6.0,
}
_DISCOUNTS = ("WELCOME10", None, None, None)
_START = datetime(2025, 1, 1, tzinfo=UTC)
_DAYS = 300


def people(rng: random.Random) -> list[Row]:
    """Rows of `users`, with an empty `last_order_at`."""
    rows = []
    for number in range(_PEOPLE):
        country, firsts, lasts = rng.choice(_CULTURES)
        first, first_ascii = rng.choice(firsts.split()).split("/")
        last, last_ascii = rng.choice(lasts.split()).split("/")
        joined = _START + timedelta(seconds=rng.randrange(_DAYS * 86_400))
        rows.append(
            {
                "person_email": f"{first_ascii}.{last_ascii}{number}@example.{rng.choice(('com', 'org'))}",
                "name": f"{last} {first}" if country in _FAMILY_NAME_FIRST else f"{first} {last}",
                "plan": rng.choice(_PLANS),
                "country": country if rng.random() < 0.95 else None,
                "created_at": joined.isoformat().replace("+00:00", "Z"),
                "last_order_at": None,
                "lifetime_value": 0,
                "warehouse_id": 2**60 + number,
                "preferences": {"newsletter": rng.random() < 0.5, "topics": rng.sample(list(_PRODUCTS), 2)},
            }
        )
    return rows


def orders(rng: random.Random, users: Sequence[Row]) -> list[Row]:
    """Rows of `orders` by these users, in chronological order; updates the users' rows."""
    placed = []
    for _ in range(_ORDERS):
        user = rng.choice(users)
        joined = datetime.fromisoformat(user["created_at"])
        placed.append((joined + timedelta(milliseconds=rng.randrange(_DAYS * 86_400_000 // 10)), user))
    rows = []
    for number, (moment, user) in enumerate(sorted(placed, key=lambda order: order[0]), start=1):
        product, quantity = rng.choice(list(_PRODUCTS)), rng.randrange(1, 5)
        amount = round(_PRODUCTS[product] * quantity, 2)
        milliseconds = (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
        user["last_order_at"] = milliseconds
        event = rng.choice(("order_paid", "order_paid", "order_shipped", "order_returned"))
        if event == "order_paid":
            user["lifetime_value"] = round(user["lifetime_value"] + amount, 2)
        email = user["person_email"]
        rows.append(
            {
                "person_email": email if number % 5 else email.title(),
                "event_name": event,
                "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)) if number % 3 else number,
                "timestamp": milliseconds if number % 2 else moment.isoformat(" ", "milliseconds"),
                "product": product,
                "amount": amount,
                "discount": rng.choice(_DISCOUNTS),
                "lines": [{"sku": f"S-{rng.randrange(1_000):03}", "quantity": quantity}],
            }
        )
    return rows


def wrong_users() -> list[Row]:
    """Rows of `users` that must be rejected."""
    return [
        {"person_email": None, "name": "Nobody Known", "plan": "free"},
        {"person_email": "   ", "name": "Blank Space", "plan": "free"},
        {"person_email": "essay@example.com", "name": "Long Story", "biography": "And then … " * 120},
        {"person_email": ["a@example.com", "b@example.com"], "name": "Two Addresses"},
    ]


def wrong_orders(user: Row) -> list[Row]:
    """Rows of `orders` that must be rejected."""
    paid = {"person_email": user["person_email"], "event_name": "order_paid"}
    return [
        {**paid, "timestamp": "last Tuesday", "amount": 12},
        {**paid, "timestamp": True, "amount": 13},
        {**paid, "event_name": "", "amount": 14},
        {**paid, "event_name": "order_" * 20, "amount": 15},
        {**paid, "attachment": "x" * 40_000, "amount": 16},
    ]


def _write(stream: DemoStream, rows: list[Row], wrong: list[Row]) -> None:
    """Write a stream's file, with the bad rows at the positions in `expected`."""
    for number, row in zip(sorted(stream.wrong), wrong, strict=True):
        rows.insert(number - 1, row)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (DATA / f"{stream.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write both files."""
    rng = random.Random(20_261_124)  # noqa: S311 - must be reproducible
    users = people(rng)
    bought = orders(rng, users)
    _write(ORDERS, bought, wrong_orders(users[1]))
    _write(USERS, users, wrong_users())


if __name__ == "__main__":
    main()
