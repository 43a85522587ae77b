"""One row of a file of rejected rows, taken apart: what every layout of these files has in common."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from destination_customerio.dead_letters.row_format import (
    OUR_COLUMNS,
    REJECTED_COLUMNS,
    json_string,
    name_in_row,
    rejected_members,
)
from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import NestedTooDeeply, parse, parse_object
from destination_customerio.exact_json.spans import Member, members

if TYPE_CHECKING:
    from collections.abc import Iterator

UNREADABLE = "unreadable"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A row is one line, but for line ends in quotes; one that never ends is a table with a quote too many.
MAX_ROW_BYTES = 256 * 1024 * 1024


class UnusableFile(ValueError):  # noqa: N818 - what is the matter with the file
    """The file is left alone: it holds no rejected rows, is broken, or gone; the text says which, in half a sentence."""


def no_rejected_rows() -> UnusableFile:
    """Something else lies there."""
    return UnusableFile("it is no file of rejected rows")


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row of a file.

    number        its place in the file, from 0
    text          the row as it stands in the file, with its line end
    raw_id        its `_airbyte_raw_id`; "" when somebody took it out
    extracted_at  milliseconds since 1970; None when unknown
    sync_id       None when unknown
    data          the original row, a JSON text on one line; None when the row can't be read
    """

    number: int
    text: bytes
    raw_id: str
    extracted_at: int | None
    sync_id: int | None
    rejection: Rejection
    data: bytes | None


class Layout(Protocol):
    """How rows lie in a file; `header` is what the file begins with."""

    header: bytes

    def texts(self) -> Iterator[bytes]:
        """The rows as they stand in the file.

        Raises:
            UnusableFile: the file breaks off.
        """
        ...

    def read(self, number: int, text: bytes) -> RejectedRow:
        """Take a row apart.

        Raises:
            ValueError: it can't be.
        """
        ...

    def with_reasons(self, text: bytes, rejection: Rejection) -> bytes:
        """The same row with other reasons; it must be one that can be read."""
        ...


def lines_of(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, with their ends.

    Raises:
        UnusableFile: one has no end, or the file breaks off.
    """
    with unpacking():
        while line := file.readline(MAX_ROW_BYTES):
            if len(line) == MAX_ROW_BYTES and not line.endswith(b"\n"):
                raise UnusableFile(f"it has a line of more than {MAX_ROW_BYTES >> 20} MiB")
            yield line


@contextlib.contextmanager
def unpacking() -> Iterator[None]:
    """While a file is read that may be packed.

    Raises:
        UnusableFile: it breaks off.
    """
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise UnusableFile("its compression is broken, or it breaks off") from None


def taken_apart(text: bytes, *, flattened: bool = False) -> tuple[Rejection, bytes]:
    """The reasons in an object, and the JSON text of all else in it on one line.

    Args:
        text: a JSON object
        flattened: whether Airbyte's columns stand in it too, and the row's may have given way to them
    """
    words = dict.fromkeys(REJECTED_COLUMNS, "")
    kept: list[bytes] = []
    for member in members(text):
        if member.name in words:
            words[member.name] = text_or_empty(text[member.start : member.end])
        elif not flattened:
            kept.append(text[member.name_start : member.end])
        elif member.name not in OUR_COLUMNS:
            kept.append(_own_member(text, member))
    # A line end can only be space between values, and would end the message that the row becomes part of.
    data = b"{%b}" % b",".join(kept).replace(b"\r", b" ").replace(b"\n", b" ")
    check_row(data)
    return Rejection(*words.values()), data


def _own_member(text: bytes, member: Member) -> bytes:
    name = name_in_row(member.name)
    if name == member.name:
        return text[member.name_start : member.end]
    return json_string(name) + b":" + text[member.start : member.end]


def with_reasons(text: bytes, rejection: Rejection) -> bytes:
    """A JSON object with these reasons at its end, in place of those that it has."""
    kept = [
        text[member.name_start : member.end]
        for member in members(text)
        if member.name not in REJECTED_COLUMNS
    ]
    return b"{%b}" % b",".join([*kept, rejected_members(rejection)])


def check_row(data: bytes) -> None:
    """Raise ValueError for what no sync would take for a row; what is only nested too deeply is one."""
    if not is_json(data):
        raise ValueError("not a JSON object")


def text_or_empty(value: bytes) -> str:
    """A JSON value, if it is text."""
    parsed = parse(value)
    return parsed if isinstance(parsed, str) else ""


def integer(text: bytes) -> int | None:
    """A number in its cell or member, whole; None when there is none."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def sync_id_in(meta: bytes) -> int | None:
    """The number of the sync in `_airbyte_meta`; None when it is not there."""
    sync_id = (parse_object(meta) or {}).get("sync_id")
    return sync_id if type(sync_id) is int else None


def is_json(text: bytes) -> bool:
    """Whether it is valid JSON, however deep."""
    try:
        parse(text)
    except NestedTooDeeply:
        return True
    except ValueError:
        return False
    return True
