"""No value of a row gets into a log by way of a server's words."""

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
    ("words", "data", "told"),
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
def test_values_are_taken_out_and_words_stay(words: str, data: Any, told: str) -> None:
    """Texts, numbers, nested ones; flags and the shortest values tell nothing of anybody."""
    assert without_values(words, [record(data)]) == told


# Characters whose case folding changes their number, or that a case conversion makes another letter, come up often.
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
def test_a_quoted_value_never_gets_through(
    value: str,
    before: str,
    after: str,
    case: Callable[[str], str],
    spelling: Callable[[str], str],
    then: Callable[[str], str],
) -> None:
    """In whatever case the server quotes it, plain or as JSON spells it, and wherever in its words."""
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
    """Exactly the characters that quote it are cut, also behind others that fold to more characters."""
    assert without_values(f"ßﬁ: {quoted} is taken", [record({"x": value})]) == "ßﬁ: … is taken"
    assert countable(Rejection("invalid", f"ß {quoted}", ""), record({"x": value})) == ("invalid", "")


def test_values_that_overlap_are_cut_as_one() -> None:
    """What is left of one beside the other is no less a part of the row."""
    assert without_values("<abcdef>", [record({"a": "abcd", "b": "cdef"})]) == "<…>"


def test_long_words_are_cut() -> None:
    """A trace is for people to read."""
    assert len(without_values("x" * 10_000, [])) == 500


def test_lines_that_cannot_be_read_do_no_harm() -> None:
    """There is nothing in them to look for."""
    assert without_values("bad", [b"{", b"[]", b'{"record":1}']) == "bad"


@pytest.mark.parametrize(
    ("reason", "column", "counted"),
    [
        ("invalid", "attributes.plan", ("invalid", "attributes.plan")),
        ("invalid", "plan is Founder!", ("invalid", "")),
        ("founder", "plan", ("refused", "plan")),
        # A status of the row's own is no reason to forget why it was rejected.
        ("too_large", "plan", ("too_large", "plan")),
        ("invalid", "x" * 501, ("invalid", "")),
    ],
)
def test_rows_are_counted_under_words_that_quote_nothing(
    reason: str, column: str, counted: tuple[str, str]
) -> None:
    """A reason or a field that repeats the row's value is left out of the count, as that goes to the log."""
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
def test_letters_and_digits_are_hidden(text: str, shape: str) -> None:
    """Of any script; punctuation shows the shape."""
    assert masked(text) == shape


@given(st.text(st.characters()))
def test_nothing_else_gets_through(text: str) -> None:
    """Whatever the text, a mask is short, printable, and without any letter or digit of its own."""
    shape = masked(text)
    assert len(shape) <= 40
    assert shape.isprintable()
    assert {character for character in shape if character.isalnum()} <= {"x", "9"}


@given(st.text(st.characters()))
def test_what_is_printed_is_no_command_of_a_terminal(text: str) -> None:
    """Ordinary text is left as it is."""
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    assert printable("shop.Größe [bold] 1") == "shop.Größe [bold] 1"
