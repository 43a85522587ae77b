"""No value of a row gets into a log through a server's message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.errors import Rejection
from destination_customerio.redaction import countable, masked, printable, without_values

if TYPE_CHECKING:
    from collections.abc import Callable


def record(data: Any) -> bytes:
    """A RECORD line."""
    return json.dumps({"type": "RECORD", "record": {"stream": "s", "data": data}}).encode()


@pytest.mark.parametrize(
    ("message", "data", "cleared"),
    [
        ("bad email ada@example.com here", {"person_email": " ada@example.com "}, "bad email … here"),
        ("12345 is no phone", {"x": {"y": [12345]}}, "… is no phone"),
        (
            "Grüße, 1.50 and 12345678901234567890123",
            {"a": "Grüße", "b": 12345678901234567890123},
            "…, 1.50 and …",
        ),
        ("abc abcdef", {"a": "abc", "b": "abcdef"}, "… …"),
        ("ada@example.com is taken", {"person_email": "Ada@Example.COM"}, "… is taken"),
        (r'"say \"hi\"" and "Gr\u00fc\u00dfe"', {"a": 'say "hi"', "b": "Grüße"}, '"…" and "…"'),
        ("name is required", {"a": True, "b": None, "c": "is", "d": 7}, "name is required"),
    ],
)
def test_values_are_cut_and_other_words_kept(message: str, data: Any, cleared: str) -> None:
    """Text and numbers, nested ones too, but not flags and the shortest values, which identify nobody."""
    assert without_values(message, [record(data)]) == cleared


# Characters that a change of case turns into several, or into another letter, come up often.
characters = st.characters() | st.sampled_from('ßẞİıŉſﬁﬃǆΐΣςσµᾳ"\\/\n\ud83d')
values = st.text(characters, min_size=3, max_size=40).filter(
    lambda value: len(value.strip()) >= 3 and "…" not in value
)
context = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('ßİſﬁ"\\\n'), max_size=20)
cases: list[Callable[[str], str]] = [str, str.upper, str.lower, str.title, str.casefold, str.swapcase]
spellings: list[Callable[[str], str]] = [
    str,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
]


@given(
    values,
    context,
    context,
    st.sampled_from(cases),
    st.sampled_from(spellings),
    st.sampled_from([str, str.upper]),
)
def test_a_quoted_value_is_always_cut(
    value: str,
    before: str,
    after: str,
    case: Callable[[str], str],
    spelling: Callable[[str], str],
    then: Callable[[str], str],
) -> None:
    """In any case, plain or with JSON escapes, and anywhere in the message."""
    quoted = case(value.strip())
    cleared = without_values(then(spelling(f"{before}{quoted}{after}")), [record({"x": value})])
    assert then(spelling(quoted)) not in cleared
    assert value.strip().casefold() not in cleared.casefold()


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("Hauptstraße 7", "HAUPTSTRASSE 7"),
        ("HAUPTSTRASSE 7", "hauptstraße 7"),
        ("İstanbul", "i̇stanbul"),
        ("\u0131sparta", "ISPARTA"),
        ("ŉabc", "\u02bcNABC"),
        ("ﬁve", "FIVE"),
        ("Grüße", "GR\\u00dcSSE"),
        ("ab\ud800cd", "ab\ufffdcd"),
    ],
)
def test_a_value_is_recognized_when_a_change_of_case_changes_its_length(value: str, quoted: str) -> None:
    """Exactly the quote is cut, also after other characters that fold to several."""
    assert without_values(f"ßﬁ: {quoted} is taken", [record({"x": value})]) == "ßﬁ: … is taken"
    assert countable(Rejection("invalid", f"ß {quoted}", ""), record({"x": value})) == ("invalid", "")


def test_values_that_overlap_are_cut_as_one() -> None:
    """No remainder of one is left beside the other."""
    assert without_values("<abcdef>", [record({"a": "abcd", "b": "cdef"})]) == "<…>"


def test_a_long_message_is_cut() -> None:
    """To 500 characters."""
    assert len(without_values("x" * 10_000, [])) == 500


def test_lines_that_are_not_records_are_skipped() -> None:
    """They have no values."""
    assert without_values("bad", [b"{", b"[]", b'{"record":1}']) == "bad"


@pytest.mark.parametrize(
    ("reason", "column", "counted"),
    [
        ("invalid", "attributes.plan", ("invalid", "attributes.plan")),
        ("invalid", "plan is Founder!", ("invalid", "")),
        ("founder", "plan", ("refused", "plan")),
        # A known reason is kept, even if a value of the row is the same word.
        ("too_large", "plan", ("too_large", "plan")),
        ("invalid", "x" * 501, ("invalid", "")),
    ],
)
def test_rows_are_counted_by_a_reason_and_field_that_quote_nothing(
    reason: str, column: str, counted: tuple[str, str]
) -> None:
    """The counts are logged, so a reason or field that quotes a value is replaced."""
    line = record({"plan": "founder", "status": "too_large"})
    assert countable(Rejection(reason, column, ""), line) == counted


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("Ada@Example.com", "xxx@xxxxxxx.xxx"),
        ("+44 20 7946-0018", "+99 99 9999-9999"),
        ('{"a":[1.5,true]}', '{"x":[9.9,xxxx]}'),
        ("Größe", "xxxxx"),
        ("東京 ٣", "xx 9"),
        ("👍²", "xx"),
        ("a\tb\x00", "x xx"),
        ("", ""),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 39 + "…"),
    ],
)
def test_letters_and_digits_are_masked(text: str, shape: str) -> None:
    """Of any script; ASCII punctuation is kept."""
    assert masked(text) == shape


@given(st.text(st.characters()))
def test_a_mask_contains_no_letter_or_digit_of_the_text(text: str) -> None:
    """It is short and printable, whatever the text."""
    shape = masked(text)
    assert len(shape) <= 40
    assert shape.isprintable()
    assert {character for character in shape if character.isalnum()} <= {"x", "9"}


@given(st.text(st.characters()))
def test_printed_text_contains_no_control_characters(text: str) -> None:
    """Ordinary text is unchanged."""
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    assert printable("shop.Größe [bold] 1") == "shop.Größe [bold] 1"
