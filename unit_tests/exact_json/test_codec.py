"""JSON in and out keeps every value, on the fast road and on the slow one."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from destination_customerio.exact_json.codec import (
    NestedTooDeeply,
    as_object,
    encode,
    encode_canonically,
    is_valid_text,
    may_hold_long_integers,
    parse,
    parse_exactly,
    parse_ordinary,
)
from unit_tests.exact_json import json_values

LONG = "123456789012345678901234567890"


@given(json_values.values.flatmap(json_values.written))
@example('{"digits in a text": "12345678901234567890", "beside": [1.5, -0.0, 1e22, 12345678901234567890]}')
@example("-9223372036854775809")
@example("18446744073709551616")
@example("-9223372036854775808")
@example("18446744073709551615")
def test_parsing_keeps_every_value(written: str) -> None:
    """Whatever the spelling, the value is the one that the standard parser finds."""
    assert json_values.same(parse(written.encode()), json.loads(written))


@given(json_values.values)
def test_encoding_keeps_every_value(value: Any) -> None:
    """What was encoded parses to the same value, whichever road the encoder took."""
    encoded = encode(value)
    assert json_values.same(json.loads(encoded), value)
    assert json_values.same(parse(encoded), value)


@given(json_values.values.flatmap(json_values.written))
def test_both_roads_agree(written: str) -> None:
    """A row means the same to the server whether a long integer elsewhere in it led to the exact parser or not."""
    assert json.loads(encode(parse_exactly(written.encode()))) == json.loads(written)


@given(json_values.values.flatmap(json_values.written))
@example("-9223372036854775809")
@example("18446744073709551616")
def test_the_cheap_test_misses_no_long_integer(written: str) -> None:
    """A text that the cheap test clears is one that the ordinary parser reads without loss."""
    if not may_hold_long_integers(written.encode()):
        assert json_values.same(parse_ordinary(written.encode()), json.loads(written))


@given(json_values.nested(json_values.scalars | json_values.broken_text, json_values.broken_text))
def test_anything_python_holds_can_be_encoded(value: Any) -> None:
    """The result is valid UTF-8 and JSON, even for text that is not Unicode."""
    json.loads(encode(value).decode())
    json.loads(encode_canonically(value).decode())


@pytest.mark.parametrize("digits", [LONG, f"-{LONG}", "9" * 5_000, "-" + "9" * 5_000])
def test_integers_beyond_64_bits_keep_their_digits(digits: str) -> None:
    """The digits that came in are the digits that go out, even past the length that int() accepts."""
    assert encode(parse(digits.encode())) == digits.encode()


@pytest.mark.parametrize("decimal", ["1.50", "0.1000", "-0.0", "1E+22", "0.12345678901234567890123"])
def test_decimals_beside_a_long_integer_go_out_as_they_came_in(decimal: str) -> None:
    """The exact parser loses no digit and adds none."""
    text = f"[{LONG},{decimal}]".encode()
    assert encode(parse(text)) == text


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9e308", "1e99999999999999999999"],
)
def test_what_no_double_holds_becomes_null_at_any_depth(number: str) -> None:
    """Not a number and the infinities have no notation in JSON, and a number with such an exponent is one to anybody."""
    assert (
        encode(parse(f'{{"a":[{{"b":{number}}}],"c":{number}}}'.encode())) == b'{"a":[{"b":null}],"c":null}'
    )


@pytest.mark.parametrize("number", ["1e-400", "0e400", "-1e-99999999999999999999", "1.7e308", "-0"])
def test_what_a_double_holds_at_least_nearly_stays_a_number(number: str) -> None:
    """Tiny numbers and zeros with large exponents are no infinities, on either road."""
    for text in (number, f"[{number},{LONG}]"):
        again = json.loads(encode(parse(text.encode())))
        assert (again[0] if isinstance(again, list) else again) == float(number)


def test_lone_surrogates_become_the_replacement_character_in_names_and_values() -> None:
    """Half of a pair can't be written as UTF-8; a whole pair is a character and stays one."""
    parsed = parse(rb'{"\ud800n":"a\udc00\ud83d\ude00","\ufeffx":"\ufeff\ud800"}')
    assert encode(parsed).decode() == '{"\ufffdn":"a\ufffd\U0001f600","\ufeffx":"\ufeff\ufffd"}'


@given(json_values.broken_text)
def test_valid_text_is_what_utf8_can_write(text: str) -> None:
    """`is_valid_text` agrees with the codec."""
    try:
        text.encode()
    except UnicodeEncodeError:
        assert not is_valid_text(text)
    else:
        assert is_valid_text(text)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"{'a':1}", b"[1,]", b'"\xff"', b'"\xed\xa0\x80"', b"{}{}", b"nan"]
)
def test_what_is_not_json_is_an_error_that_quotes_nothing(text: bytes) -> None:
    """The error's text is fixed, as it may end up in a log."""
    for parser in (parse, parse_ordinary, parse_exactly):
        with pytest.raises(ValueError, match=r"^not a JSON text$"):
            parser(text)


def test_nesting_beyond_the_parsers_has_an_error_of_its_own() -> None:
    """Such a text may be JSON all the same, so it is not called invalid."""
    deep: Any = 10**30
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NestedTooDeeply):
        parse(b"[" * 100_000 + b"]" * 100_000)
    for encoder in (encode, encode_canonically):
        with pytest.raises(NestedTooDeeply):
            encoder(deep)


@given(json_values.objects, st.randoms())
def test_canonical_bytes_do_not_depend_on_the_order_of_keys(value: dict[str, Any], random: Any) -> None:
    """Two objects with the same members encode alike, and the members survive."""
    members = list(value.items())
    random.shuffle(members)
    assert encode_canonically(dict(members)) == encode_canonically(value)
    assert json.loads(encode_canonically(value)) == value


@given(json_values.floats)
def test_canonical_bytes_do_not_depend_on_the_parser(number: float) -> None:
    """A decimal and the float that it would have been on the fast road are one number."""
    assert encode_canonically([Decimal(repr(number)), 10**30]) == encode_canonically([number, 10**30])
    assert encode_canonically(Decimal("1.500")) == b"1.5"


def test_as_object_takes_objects_alone() -> None:
    """Everything else is None, so that callers have one question to ask."""
    assert as_object({"a": 1}) == {"a": 1}
    others: list[Any] = [[], None, "x", 1]
    assert [as_object(other) for other in others] == [None] * 4


def test_only_parsed_json_can_be_encoded_exactly() -> None:
    """Another type is a bug of the caller, not something to guess at."""
    with pytest.raises(TypeError, match="set has no JSON form"):
        encode([10**30, {1}])
