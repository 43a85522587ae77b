"""One row of a file of rejected rows: what all layouts of these files have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from destination_customerio.airbyte.emitted_at import in_milliseconds
from destination_customerio.dead_letters.reading.row_texts import UnusableFile
from destination_customerio.dead_letters.row_format import (
    OUR_COLUMNS,
    REJECTED_COLUMNS,
    json_string,
    name_in_row,
    rejected_members,
)
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import NestedTooDeeply, check, parse, parse_object
from destination_customerio.exact_json.spans import Member, members
from destination_customerio.exact_json.utf8 import is_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destination_customerio.dead_letters.reading.row_texts import RowText

UNREADABLE = "unreadable"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Each value takes up to a hundred bytes once it is parsed, an empty array in three bytes of text too.
MAX_VALUES = 1_000_000
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


class TooLarge(ValueError):  # noqa: N818 - the state of the row
    """A row that would take too much memory or time; the text says how far it goes."""


def no_rejected_rows() -> UnusableFile:
    """For a file with other content."""
    return UnusableFile("it is not a file of rejected rows")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One rejected row of a file.

    number        its position in the file, from 0
    text          the row as it is in the file, with its line end; of a row that is too long only the beginning
    raw_id        its `_airbyte_raw_id`; "" when somebody removed it
    extracted_at  milliseconds since 1970; None when unknown
    sync_id       None when unknown
    data          the original row, a JSON text on one line; None when the row can't be read
    fault         why it can't be read, with its line in the file: "line 7: malformed"
    rest          what follows `text` in a row that is too long, to be read before the next row
    """

    number: int
    text: bytes
    raw_id: str
    extracted_at: int | None
    sync_id: int | None
    rejection: Rejection
    data: bytes | None
    fault: str = ""
    rest: Iterator[bytes] | None = None


class Layout(Protocol):
    """How rows are laid out in a file; `header` is what the file begins with."""

    header: bytes

    def texts(self) -> Iterator[RowText]:
        """The rows as they are in the file.

        Raises:
            UnusableFile: see `RowTexts`.
        """
        ...

    def read(self, number: int, text: bytes) -> DeadLetter:
        """Parse a row.

        Raises:
            ValueError: it is malformed.
        """
        ...

    def with_reasons(self, text: bytes, rejection: Rejection) -> bytes:
        """The same row with other reasons; it must be well-formed."""
        ...


def split_reasons(text: bytes, *, flattened: bool = False) -> tuple[Rejection, bytes]:
    """The reasons in an object, and the JSON text of everything else in it on one line.

    Args:
        text: a JSON object
        flattened: whether it has Airbyte's columns too

    Raises:
        ValueError: it is malformed, or has too many values.
    """
    check_values(text)
    words = dict.fromkeys(REJECTED_COLUMNS, "")
    kept: list[bytes] = []
    for member in members(text):
        if member.name in words:
            words[member.name] = text_or_empty(text[member.start : member.end])
        elif not flattened or member.name not in OUR_COLUMNS:
            kept.append(_own_member(text, member, flattened=flattened))
    # A line end can only be whitespace between values, and would end the message that the row becomes part of.
    data = b"{%b}" % b",".join(kept).replace(b"\r", b" ").replace(b"\n", b" ")
    check_row(data)
    return Rejection(*words.values()), data


def _own_member(text: bytes, member: Member, *, flattened: bool) -> bytes:
    """A member of the row, which may have another name in the file."""
    name = name_in_row(member.name, flattened=flattened)
    if name == member.name:
        return text[member.name_start : member.end]
    return json_string(name) + b":" + text[member.start : member.end]


def with_reasons(text: bytes, rejection: Rejection) -> bytes:
    """A JSON object with these reasons at its end, instead of those that it has."""
    kept = [
        text[member.name_start : member.end]
        for member in members(text)
        if member.name not in REJECTED_COLUMNS
    ]
    return b"{%b}" % b",".join([*kept, rejected_members(rejection)])


def check_row(data: bytes) -> None:
    """Check the JSON object of a row, which may be nested too deeply for the parser.

    Raises:
        ValueError: it is not valid JSON.
    """
    if not is_json(data):
        raise ValueError("not a JSON object")


def check_values(text: bytes) -> None:
    """Check how many values a JSON text has, before it is parsed.

    Raises:
        TooLarge: more than a row may have.
    """
    if len(text) <= MAX_VALUES:
        return
    # A text with that many strings has that many values, or is so rare that it may count as such.
    if _separators(text) > MAX_VALUES and (
        text.count(b'"') > 2 * MAX_VALUES or _separators(_STRING.sub(b"", text)) > MAX_VALUES
    ):
        raise TooLarge(f"more than {MAX_VALUES:,} values")


def _separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def text_or_empty(value: bytes) -> str:
    """A JSON value if it is a string, otherwise ""."""
    parsed = parse(value) if value[:1] == b'"' else None
    return parsed if isinstance(parsed, str) else ""


def milliseconds(text: bytes) -> int | None:
    """The time in a cell or member, in any unit, in milliseconds; None when there is none."""
    try:
        return in_milliseconds(float(text))
    except ValueError:
        return None


def sync_id_in(meta: bytes) -> int | None:
    """The sync id in `_airbyte_meta`; None when there is none.

    Raises:
        TooLarge: it has too many values.
    """
    check_values(meta)
    sync_id = (parse_object(meta) or {}).get("sync_id")
    return sync_id if type(sync_id) is int else None


def is_json(text: bytes) -> bool:
    """Whether a text is valid JSON, as a sync judges the lines of its source.

    Of a text that is nested too deeply for the parser, which no sync sends, only the brackets are checked.

    Raises:
        TooLarge: it has too many values.
    """
    check_values(text)
    try:
        check(text)
    except NestedTooDeeply:
        return _is_one_value(text) and is_utf8(text)
    except ValueError:
        return False
    return is_utf8(text)


def _is_one_value(text: bytes) -> bool:
    """Whether an object or array begins at the start of a text and ends at its end."""
    wrapped = b'{"":%b}' % text.strip()
    try:
        return [member.end for member in members(wrapped)] == [len(wrapped) - 1]
    except ValueError:
        return False
