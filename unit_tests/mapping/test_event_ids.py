"""Every event id becomes a ULID, and the same input always gives the same one."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.exact_json.codec import parse, parse_exactly, raw_members
from destination_customerio.mapping.event_ids import FreshIds, encode_ulid, from_column, from_row, is_given
from unit_tests.exact_json import json_values

if TYPE_CHECKING:
    from uuid import UUID

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(rf"[0-7][{CROCKFORD}]{{25}}")
SAMPLE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def decoded(ulid: str) -> int:
    """The 128 bits of a ULID, by its specification."""
    number = 0
    for character in ulid:
        number = number * 32 + CROCKFORD.index(character)
    return number


@given(st.integers(0, 2**128 - 1))
def test_a_ulid_encodes_128_bits(number: int) -> None:
    """Encoding loses no bit, and the first character is 0 to 7."""
    assert ULID.fullmatch(encode_ulid(number))
    assert decoded(encode_ulid(number)) == number


def test_the_smallest_and_the_largest_ulid() -> None:
    """As in the specification."""
    assert encode_ulid(0) == "0" * 26
    assert encode_ulid(2**128 - 1) == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"


@pytest.mark.parametrize("ulid", [SAMPLE, SAMPLE.lower(), "0" * 26, "7" + "Z" * 25, f"  {SAMPLE}\n"])
def test_a_ulid_is_kept(ulid: str) -> None:
    """Only spaces around it are removed."""
    assert from_column(ulid, "signup") == ulid.strip()


@pytest.mark.parametrize(
    "text", ["8" + "0" * 25, SAMPLE[:-1], SAMPLE + "0", SAMPLE[:-1] + "U", SAMPLE[:-1] + "I"]
)
def test_text_that_only_resembles_a_ulid_is_hashed(text: str) -> None:
    """Over 128 bits, of a wrong length or with a letter outside Crockford's alphabet: Customer.io would refuse it."""
    assert ULID.fullmatch(from_column(text, "signup"))
    assert from_column(text, "signup") != text


@given(st.uuids())
def test_a_uuid_keeps_its_bits(uuid: UUID) -> None:
    """With or without hyphens, in either case, whatever the event's name."""
    for text in (str(uuid), str(uuid).upper(), uuid.hex, f" {uuid} "):
        assert decoded(from_column(text, "signup")) == uuid.int
        assert from_column(text, "signup") == from_column(text, "login")


@pytest.mark.parametrize(
    ("value", "ulid"),
    [
        ("order-1", "1K7K87EEV38ZA6Z1G3K6GRMW7R"),
        (1, "0NHW4E1K1EEVN3A2KV85FW24NY"),
        (True, "34K8WTJAGNT7AV3Q9C8TVK1G3S"),
        ({"b": [1, None], "a": "x"}, "4GVRQF2TDGKMQFF2CKH6KFBBYG"),
        (Decimal("1.5"), "611JKPATBTNAW4ZBZX0MWN9P2Y"),
    ],
)
def test_any_other_id_always_gives_the_same_ulid(value: Any, ulid: str) -> None:
    """Pinned by examples: a change would duplicate every event of a repeated sync."""
    assert from_column(value, "signup") == ulid


@given(json_values.values.filter(is_given))
def test_any_value_gives_a_ulid(value: Any) -> None:
    """Numbers, booleans, arrays and objects are hashed like text."""
    found = from_column(value, "signup")
    assert re.fullmatch(ULID, found.upper())
    assert from_column(value, "signup") == found


def test_the_events_name_is_part_of_the_hash() -> None:
    """Order 1 and refund 1 are two events; different pairs of name and id do not collide."""
    assert from_column("1", "order") != from_column("1", "refund")
    assert from_column("bc", "a") != from_column("c", "ab")


def test_ids_that_a_double_cannot_distinguish_stay_different() -> None:
    """Otherwise Customer.io would drop the second event as a duplicate."""
    numbers = [parse_exactly(f"12345678901234567.{digit}".encode()) for digit in range(1, 10)]
    assert len({from_column(number, "signup") for number in numbers}) == len(numbers)


@pytest.mark.parametrize(
    "spellings",
    [["1.50", "1.5", "15e-1"], ["1e22", "10000000000000000000000", "1.0E+22"], ["42", "42.0", '"42"']],
)
def test_equal_numbers_give_one_id_however_they_are_written(spellings: list[str]) -> None:
    """A source that starts to write 1.50 for 1.5 duplicates no event."""
    assert len({from_column(parse_exactly(text.encode()), "signup") for text in spellings}) == 1


def test_both_parsers_give_an_object_the_same_id() -> None:
    """A long integer elsewhere in the row must not change the id."""
    text = b'{"b":[1.50,1e22,true],"a":null}'
    assert from_column(parse(text), "signup") == from_column(parse_exactly(text), "signup")


@pytest.mark.parametrize("written", ["1e400", "1e999999999", "1e-999999999", "-5E+123456789012"])
def test_an_absurd_exponent_is_not_written_out(written: str) -> None:
    """Its digits would take too much memory."""
    assert ULID.fullmatch(from_column(parse_exactly(written.encode()), "signup"))


@pytest.mark.parametrize("value", [None, "", " \n", math.nan, math.inf, Decimal("Infinity")])
def test_null_blank_and_values_sent_as_null_are_no_ids(value: Any) -> None:
    """Otherwise all such rows would share one id, and Customer.io would drop all but one."""
    assert not is_given(value)


@pytest.mark.parametrize("value", [0, False, 0.0, Decimal(0), "0", [], {}])
def test_falsy_values_are_ids(value: Any) -> None:
    """Zero, false and empty containers are not absent."""
    assert is_given(value)


def test_a_row_id_depends_only_on_stream_and_content() -> None:
    """Not on the order of columns; namespace and name of the stream are kept apart."""
    stream = Stream(name="b", namespace="a")
    row = {"x": 1, "y": {"p": 1, "q": None}}
    assert from_row(stream, row) == "2EM513F0N1JHXC5B3M3VN2144S"
    assert from_row(stream, {"y": {"q": None, "p": 1}, "x": 1}) == from_row(stream, row)
    others = [
        from_row(Stream(name="b"), row),
        from_row(Stream(name="ab"), row),
        from_row(Stream(name="a", namespace="b"), row),
        from_row(stream, {**row, "x": 2}),
        from_row(stream, {**row, "z": None}),
    ]
    assert len({from_row(stream, row), *others}) == 6


@pytest.mark.parametrize(
    ("row", "ulid"),
    [
        (r'{"a":7}', "1ZMGZDNR5QQ4RA81XC1T63FZFT"),
        (r'{"a":7.0}', "4QQBT8R5GXZ6XTH4PDDATFQB7W"),
        (r'{"a":1.50, "b":"x"}', "7QJ0T06PJ155CGZDW2752E6SXG"),
        (r'{ "b" : "x","a" : 1.5}', "7QJ0T06PJ155CGZDW2752E6SXG"),
        (
            r'{"id":1234567890123456789,"at":"2024-05-01T00:00:00Z","n":null,"ok":true}',
            "5R84T4VS5DZTATG2GW42B2YYKZ",
        ),
        (r'{"id":123456789012345678901234567890,"d":1.5}', "07D1BR9DA8D60EFWPJPSZWKXT4"),
        (r'{"d":12345678901234567.89,"e":0.1}', "2M86T08PEQY1WYYS4NHBAD017M"),
        (r'{"f":1e22,"g":1E-7,"h":100000000000000000000.0}', "6FQ19MD4QRFKQH3MY3YWRSQPDE"),
        (r'{"t":"\u00e9\ud83d\ude00","o":{"b":[1, 2.50],"a":{}}}', "2ESJZZ2RZZWNWYMC9B5FR79CPE"),
        (r'{"x":NaN,"y":[Infinity,"\ud800"]}', "0T3E2H9MERM3HGGAM05B3WMS94"),
        (r'{"x":-0,"y":-0.0}', "7PG5W30JYRKT07QVWSV63YVA91"),
    ],
)
def test_a_row_id_never_changes(row: str, ulid: str) -> None:
    """Pinned for rows as sources write them: a change would duplicate every event of a repeated sync."""
    columns = raw_members(row.encode())
    assert columns is not None
    assert from_row(Stream(name="events", namespace="shop"), columns) == ulid


@given(json_values.objects, json_values.objects)
def test_rows_share_an_id_only_when_they_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Different rows are different events."""
    stream = Stream(name="events")
    if from_row(stream, one) == from_row(stream, other):
        assert one == other


def test_fresh_ids_are_made_of_time_random_bits_and_a_counter() -> None:
    """48 bits of milliseconds, 70 random bits, and a counter of ten bits that restarts with each block."""
    asked: list[int] = []

    def random_bytes(size: int) -> bytes:
        asked.append(size)
        return bytes([len(asked)]) * size

    fresh = FreshIds(wall_clock=lambda: 1_767_225_599.123, random_bytes=random_bytes)
    ids = [fresh(b"{}") for _ in range(2_500)]
    assert asked == [9, 9, 9]
    for number, ulid in enumerate(ids):
        bits = decoded(ulid)
        block, place = divmod(number, 1_024)
        assert bits >> 80 == 1_767_225_599_123
        assert bits >> 10 & (1 << 70) - 1 == int.from_bytes(bytes([block + 1]) * 9, "big") & (1 << 70) - 1
        assert bits & 1_023 == place


def test_fresh_ids_never_repeat() -> None:
    """Across many blocks and several sources, as in processes that start at the same time."""
    makers = [FreshIds(wall_clock=lambda: 0.0) for _ in range(4)]
    ids = [make(b"{}") for make in makers for _ in range(5_000)]
    assert len(set(ids)) == len(ids)
    assert all(ULID.fullmatch(ulid) for ulid in ids)


@pytest.mark.parametrize("value", ["undefined", " NULL ", "[object Object]", "\u200b", "\x00"])
def test_a_placeholder_is_no_event_id(value: str) -> None:
    """Customer.io would keep one event of all that have it."""
    assert not is_given(value)


def test_invisible_characters_are_no_part_of_an_event_id() -> None:
    """At its ends."""
    assert from_column("\ufefforder-1\u200b", "paid") == from_column("order-1", "paid")
