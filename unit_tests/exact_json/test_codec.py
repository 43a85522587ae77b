"""Parsing, copying and encoding keep every value."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from destination_customerio.exact_json.canonical import encode_canonically
from destination_customerio.exact_json.codec import (
    NestedTooDeeply,
    Raw,
    as_object,
    as_raw,
    check,
    compacted,
    encode,
    parse,
    parse_exactly,
    plain,
    raw_items,
    raw_members,
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
    """However it is written, the value is the same as from the standard parser."""
    assert json_values.same(parse(written.encode()), json.loads(written))


@given(json_values.values)
def test_encoding_keeps_every_value(value: Any) -> None:
    """The encoded text parses to the same value."""
    encoded = encode(value)
    assert json_values.same(json.loads(encoded), value)
    assert json_values.same(parse(encoded), value)


@given(json_values.values.flatmap(json_values.written))
def test_both_parsers_agree(written: str) -> None:
    """A long integer elsewhere in the row, which requires the exact parser, does not change what is sent."""
    assert json.loads(encode(parse_exactly(written.encode()))) == json.loads(written)


@given(st.integers(-(10**25), 10**25), st.integers(0, 25), st.sampled_from(["", "e0", "E+2", "e-3"]))
@example(12345678901234567_89, 2, "")
@example(9999999999999997, 2, "")
@example(30000000000000001, 17, "")
def test_decimals_keep_their_digits(digits: int, scale: int, exponent: str) -> None:
    """Wherever they are in the row."""
    text = f"{Decimal(digits).scaleb(-scale):f}"
    number = f"{text if '.' in text else text + '.0'}{exponent}"
    row = f'{{"a":{number},"b":[{number}, -0.5],"c":"{number}"}}'.encode()
    sent = json.loads(encode(parse(row)), parse_float=Decimal)
    assert sent == {"a": Decimal(number), "b": [Decimal(number), Decimal("-0.5")], "c": number}


@pytest.mark.parametrize(
    "number",
    ["12345678901234567.89", "-12345678901234567.89", "0.30000000000000001", "1.2345678901234567891E+30"],
)
def test_a_decimal_that_a_double_would_round_is_sent_as_written(number: str) -> None:
    """As a value of its own, and after each character that may precede it."""
    for text in (
        number,
        f"[{number}]",
        f'{{"a": {number}}}',
        f'{{"a":\n{number}}}',
        f"[1,{number}]",
        f"[1,\t{number}]",
    ):
        assert number in encode(parse(text.encode())).decode()


@pytest.mark.parametrize(
    "value",
    [
        "0.1234567890123456",
        "179.98765432109877",
        "123456789012345678",
        "1234567890123456789",
        '"12345678901234567890.5"',
    ],
)
def test_numbers_that_a_double_keeps_are_floats(value: str) -> None:
    """Those that it would round are decimals."""
    parsed = parse(f'{{"a":{value},"b":1.5}}'.encode())
    assert type(parsed["b"]) is float
    assert json.dumps(parsed["a"]) == value


@given(json_values.nested(json_values.scalars | json_values.broken_text, json_values.broken_text))
def test_any_parsed_value_can_be_encoded(value: Any) -> None:
    """The result is valid UTF-8 and JSON, even for text with lone surrogates."""
    json.loads(encode(value).decode())
    json.loads(encode_canonically(value).decode())


@pytest.mark.parametrize("digits", [LONG, f"-{LONG}", "9" * 5_000, "-" + "9" * 5_000])
def test_integers_beyond_64_bits_keep_their_digits(digits: str) -> None:
    """Even those with more digits than int() accepts."""
    assert encode(parse(digits.encode())) == digits.encode()


@pytest.mark.parametrize("decimal", ["1.50", "0.1000", "-0.0", "1E+22", "0.12345678901234567890123"])
def test_the_exact_parser_keeps_the_form_of_decimals(decimal: str) -> None:
    """For identifiers, in which 1.50 and 1.5 are two."""
    text = f"[{LONG},{decimal}]".encode()
    assert encode(parse_exactly(text)) == text


@pytest.mark.parametrize(
    "number",
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9e308", "1e99999999999999999999"],
)
def test_numbers_that_overflow_a_double_become_null_at_any_depth(number: str) -> None:
    """As NaN and the infinities do, for which JSON has no notation."""
    assert (
        encode(parse(f'{{"a":[{{"b":{number}}}],"c":{number}}}'.encode())) == b'{"a":[{"b":null}],"c":null}'
    )


@pytest.mark.parametrize("number", ["1e-400", "0e400", "-1e-99999999999999999999", "1.7e308", "-0"])
def test_numbers_that_underflow_a_double_stay_numbers(number: str) -> None:
    """Tiny numbers and zeros with large exponents are not infinite, on either path."""
    for text in (number, f"[{number},{LONG}]"):
        again = json.loads(encode(parse(text.encode())))
        assert (again[0] if isinstance(again, list) else again) == float(number)


def test_lone_surrogates_become_the_replacement_character_in_names_and_values() -> None:
    """A pair of surrogates is a character and stays one."""
    parsed = parse(rb'{"\ud800n":"a\udc00\ud83d\ude00","\ufeffx":"\ufeff\ud800"}')
    assert encode(parsed).decode() == '{"\ufffdn":"a\ufffd\U0001f600","\ufeffx":"\ufeff\ufffd"}'


@pytest.mark.parametrize(
    "text", [b"", b"{", b"{'a':1}", b"[1,]", b'"\xff"', b'"\xed\xa0\x80"', b"{}{}", b"nan"]
)
def test_the_error_for_invalid_json_quotes_nothing(text: bytes) -> None:
    """The message is fixed, as it may end up in a log."""
    for parser in (parse, parse_exactly):
        with pytest.raises(ValueError, match=r"^not a JSON text$"):
            parser(text)


def test_nesting_too_deep_for_the_parsers_has_its_own_error() -> None:
    """Such a text may be valid JSON."""
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
    """Objects with the same members encode to the same bytes, and keep their members."""
    members = list(value.items())
    random.shuffle(members)
    assert encode_canonically(dict(members)) == encode_canonically(value)
    assert json.loads(encode_canonically(value)) == value


@given(json_values.floats)
def test_canonical_bytes_do_not_depend_on_the_parser(number: float) -> None:
    """A decimal is encoded as the float that the fast parser makes of it."""
    assert encode_canonically([Decimal(repr(number)), 10**30]) == encode_canonically([number, 10**30])
    assert encode_canonically(Decimal("1.500")) == b"1.5"


def test_as_object_accepts_objects_only() -> None:
    """Anything else is None."""
    assert as_object({"a": 1}) == {"a": 1}
    others: list[Any] = [[], None, "x", 1]
    assert [as_object(other) for other in others] == [None] * 4


def test_a_type_that_is_not_json_cannot_be_encoded() -> None:
    """It is a bug of the caller."""
    for encoder in (encode, encode_canonically):
        with pytest.raises(TypeError):
            encoder([10**30, object()])


@given(json_values.objects.flatmap(json_values.written))
def test_columns_are_the_bytes_of_their_values(text: str) -> None:
    """Copied, an object holds the same values, whatever the space around them; of duplicate names the last counts."""
    columns = raw_members(text.encode())
    assert columns is not None
    expected = json.loads(text)
    assert list(columns) == list(expected)
    for name, column in columns.items():
        assert bytes(column) == bytes(column).strip()
        assert bytes(column) in text.encode()
        assert json_values.same(plain(column), expected[name])
    assert json.loads(encode(columns)) == expected


@given(st.lists(json_values.values, max_size=5).flatmap(json_values.written))
def test_items_are_the_bytes_of_their_values(text: str) -> None:
    """As the members of an object are."""
    items = raw_items(text.encode())
    assert items is not None
    assert [plain(item) for item in items] == [plain(Raw(encode(item))) for item in json.loads(text)]


@pytest.mark.parametrize("text", [b"[1]", b"null", b'"x"', b"1", b" true "])
def test_another_value_has_no_members(text: bytes) -> None:
    """And only an array has items."""
    assert raw_members(text) is None
    assert (raw_items(text) is None) is not text.startswith(b"[")


@pytest.mark.parametrize(
    "written",
    [
        "1.50",
        "-0",
        "-0.0",
        "1.0",
        "1E+400",
        "0.10000000000000000000000001",
        "9" * 5_000,
        r'"\u00e9\/"',
        '{"a":1,"a":2}',
    ],
)
def test_copied_values_keep_their_bytes(written: str) -> None:
    """Digits, signs, exponents, escapes and duplicate names."""
    assert encode(raw_members(f'{{ "x" : {written} }}'.encode())) == f'{{"x":{written}}}'.encode()


def test_names_are_compared_by_their_characters() -> None:
    """However they are escaped; of two that are the same, the last counts, in the place of the first."""
    assert encode(raw_members(rb'{"em\u0061il":1,"b":2,"email":3}')) == b'{"email":3,"b":2}'


@given(json_values.values.flatmap(json_values.written))
def test_compaction_removes_space_only(text: str) -> None:
    """As the compact text of the standard encoder, but for escapes and numbers, which stay."""
    compact = compacted(text.encode())
    assert json_values.same(parse(compact), parse(text.encode()))
    assert compacted(compact) == compact
    assert bytes(as_raw(text.encode())) == compact
    strings_removed = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", compact)
    assert not re.search(rb"\s", strings_removed)


def test_a_text_is_checked_whole() -> None:
    """Perhaps after repair, but not beyond it."""
    for valid in (b'{"a":[NaN,"\\ud800"]}', b"[1e400]", b"1"):
        check(valid)
    for wrong in (b'{"a":[NaN,"\\ud800"]', b"[nan]", b'["\x01"]', b'["\t"]', b"01", b"[1]]"):
        with pytest.raises(ValueError, match=r"^not a JSON text$"):
            check(wrong)
    with pytest.raises(NestedTooDeeply):
        check(b"[" * 100_000)
