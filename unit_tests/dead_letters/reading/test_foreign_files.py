"""Files that somebody else made: what can't be read is named by line, and bounded in memory and time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import time
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest

from destination_customerio.dead_letters.reading.layout import MAX_VALUES
from destination_customerio.dead_letters.reading.reader import layout_of, read_rows
from destination_customerio.dead_letters.reading.row_texts import UnusableFile
from destination_customerio.errors import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.dead_letters.reading.layout import DeadLetter

HEADER = b'"_airbyte_raw_id","_airbyte_data"\r\n'
FLAT_HEADER = b'"_airbyte_raw_id","n","rejected_reason"\r\n'
GOOD_CSV = b'"r","{""n"":1}"\r\n'
GOOD_FLAT = b'"r",1,"invalid"\r\n'
GOOD_JSON = b'{"_airbyte_raw_id":"r","_airbyte_data":{"n":1}}\n'
MAX_ROW_BYTES = 1_000
COMPRESSIONS: list[Callable[[bytes], bytes]] = [bytes, gzip.compress]


def rows_of(file: bytes, max_row_bytes: int = MAX_ROW_BYTES) -> list[DeadLetter]:
    """The rows of a file."""
    return list(read_rows(layout_of(io.BytesIO(file), None, max_row_bytes)))


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize(
    ("header", "good", "long"),
    [
        (b"", GOOD_JSON, b'{"_airbyte_data":{"x":"' + b"y" * 10_000 + b'"}}\n'),
        (b"", GOOD_JSON, b"\x00" * 10_000 + b"\n"),
        (HEADER, GOOD_CSV, b'"r","{""x"":""' + b"y" * 10_000 + b'""}"\r\n'),
        (HEADER, GOOD_CSV, b'"r","{""x"":' + b"\n" * 10_000 + b'1}"\r\n'),
        (HEADER, GOOD_CSV, b"," * 10_000 + b"\r\n"),
        (FLAT_HEADER, GOOD_FLAT, b'"r","' + b'""\r\n' * 10_000 + b'","invalid"\r\n'),
    ],
    ids=["text", "NULs", "quoted text", "lines in quotes", "cells", "quotes and lines in quotes"],
)
def test_a_row_that_is_too_long_costs_only_that_row(
    header: bytes, good: bytes, long: bytes, compress: Callable[[bytes], bytes]
) -> None:
    """Its line is named, and what comes after it is read."""
    before, row, after = rows_of(compress(header + good + long + good))
    assert (before.data, row.data, after.data) == (b'{"n":1}', None, b'{"n":1}')
    assert row.fault == f"line {2 + bool(header)}: longer than 1,000 bytes"


@pytest.mark.parametrize("good", [GOOD_JSON, b""])
def test_a_long_row_is_passed_on_whole(good: bytes) -> None:
    """Its file is rewritten with it, although it is never in memory."""
    long = b'{"_airbyte_data":' + bytes(range(32, 127)) * 100 + b"\n"
    found = []
    for row in read_rows(layout_of(io.BytesIO(long + good), None, MAX_ROW_BYTES)):
        found += [row.text, *(row.rest or ())]
    assert b"".join(found) == long + good


def test_the_lines_of_long_rows_are_counted() -> None:
    """So that the lines named after them are right."""
    long = b'"r","' + b"\n" * 5_000 + b'"\r\n'
    broken = b'"r","{""n"":"\r\n'
    *_, row = rows_of(HEADER + long + GOOD_CSV + broken)
    assert row.fault == "line 5004: malformed"


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("line", [b"\n", b"x\n", b"x" * 100 + b"\n", b'1,"a"\r\n'], ids=len)
def test_a_quote_that_is_never_closed_is_named_by_its_line(
    line: bytes, compress: Callable[[bytes], bytes]
) -> None:
    """It makes one row of the rest of the table; nobody can say where that row should have ended."""
    with pytest.raises(UnusableFile, match="the row on line 3 has a quote that is never closed"):
        rows_of(compress(HEADER + GOOD_CSV + b'"r","open\r\n' + line * 10_000))


def test_a_lone_quote_at_the_end_is_named_by_its_line() -> None:
    """The rows before it are read."""
    rows = read_rows(layout_of(io.BytesIO(HEADER + GOOD_CSV + b'"')))
    assert next(rows).data == b'{"n":1}'
    with pytest.raises(UnusableFile, match="line 3"):
        next(rows)


@pytest.mark.parametrize(
    "value",
    [
        b"[" + b"{}," * (MAX_VALUES + 1) + b"0]",
        b"[" * (MAX_VALUES + 1) + b"]" * (MAX_VALUES + 1),
        b"[" + b"1," * (MAX_VALUES + 1) + b"0]",
        b'["' + b'","' * (MAX_VALUES + 1) + b'"]',
        b'{"a":0' + b',"b":0' * (MAX_VALUES + 1) + b"}",
    ],
    ids=["objects", "depth", "numbers", "texts", "members"],
)
@pytest.mark.parametrize("layout", ["json", "flat json", "csv", "flat csv", "meta"])
def test_a_row_with_too_many_values_is_not_parsed(layout: str, value: bytes) -> None:
    """Parsed, it takes a hundred bytes for three of its text."""
    quoted = value.replace(b'"', b'""')
    file = {
        "json": b'{"_airbyte_data":{"x":' + value + b"}}\n",
        "flat json": b'{"rejected_reason":"invalid","x":' + value + b"}\n",
        "csv": HEADER + b'"r","{""x"":' + quoted + b'}"\r\n',
        "flat csv": FLAT_HEADER + b'"r","' + quoted + b'","invalid"\r\n',
        "meta": b'"_airbyte_raw_id","_airbyte_data","_airbyte_meta"\r\n"r","{}","' + quoted + b'"\r\n',
    }[layout]
    tracemalloc.start()
    try:
        (row,) = read_rows(layout_of(io.BytesIO(file)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert row.data is None
    assert row.fault == f"line {1 if 'json' in layout else 2}: more than 1,000,000 values"
    assert peak < 12 * len(file)


def test_commas_and_brackets_in_text_are_no_values() -> None:
    """A long text may have any number of them."""
    data = b'{"x":"' + b",[{" * MAX_VALUES + b'\\""}'
    (row,) = read_rows(layout_of(io.BytesIO(b'{"_airbyte_data":' + data + b"}\n")))
    assert row.data == data


@pytest.mark.parametrize(
    "file",
    [
        b",".join(b'"c%d"' % n for n in range(200_000)) + b',"_airbyte_raw_id","_airbyte_data"\r\n',
        b'"_airbyte_raw_id","_airbyte_data' + b"\n" * (5 << 20) + b'"\r\n',
        HEADER.decode().encode("utf-16"),
        b'"',
        b"\x00" * 100_000,
    ],
    ids=["columns", "lines in the header", "UTF-16", "lone quote", "NULs"],
)
def test_a_file_without_a_usable_header_is_left_alone(file: bytes) -> None:
    """It holds no rejected rows that can be found."""
    with pytest.raises(UnusableFile):
        rows_of(file, 32 << 20)


def zipped(content: bytes) -> bytes:
    """A ZIP archive of one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as archived:
        archived.writestr("rows.csv", content)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("compress", "name"),
    [
        (bz2.compress, "compressed with bzip2"),
        (lzma.compress, "compressed with xz"),
        (zipped, "a spreadsheet or a ZIP archive"),
        (lambda content: gzip.compress(gzip.compress(content)), "compressed with gzip twice"),
        (lambda content: b"\x28\xb5\x2f\xfd" + content, "compressed with Zstandard"),
        (lambda content: content.decode().encode("utf-16"), "encoded in UTF-16"),
        (lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"), "encoded in UTF-16"),
        (lambda content: content.decode().encode("utf-32"), "encoded in UTF-16 or UTF-32"),
    ],
)
def test_other_formats_are_named(compress: Callable[[bytes], bytes], name: str) -> None:
    """The operator can decompress or convert the file."""
    with pytest.raises(UnusableFile, match=f"it is {name}"):
        rows_of(compress(HEADER + GOOD_CSV))


@pytest.mark.parametrize("filler", [b"\n", b"x", b" " * 100 + b"\n", GOOD_JSON], ids=len)
def test_what_a_small_file_decompresses_to_is_bounded(filler: bytes) -> None:
    """A file of a megabyte can hold a gigabyte."""
    bomb = gzip.compress(GOOD_JSON + filler * (1_000_000 // len(filler)))
    rows = read_rows(layout_of(io.BytesIO(bomb), max_unpacked_bytes=100_000))
    with pytest.raises(UnusableFile, match="it decompresses to more than 100,000 bytes"):
        for _ in rows:
            pass


def test_a_byte_order_mark_is_no_part_of_a_row() -> None:
    """Editors put one at the start of a file, and programs that join files one in the middle."""
    mark = b"\xef\xbb\xbf"
    assert [row.data for row in rows_of(mark + HEADER + GOOD_CSV)] == [b'{"n":1}']
    assert [row.data for row in rows_of(mark + GOOD_JSON + mark + GOOD_JSON)] == [b'{"n":1}'] * 2


def test_a_row_of_a_million_values_is_read_in_seconds() -> None:
    """The most that a row may have; generous, as the machine may be busy."""
    value = b"[" + b"{}," * (MAX_VALUES // 2 - 10) + b"0]"
    start = time.process_time()
    (row,) = read_rows(layout_of(io.BytesIO(b'{"_airbyte_data":{"x":' + value + b"}}\n")))
    assert row.data is not None
    assert time.process_time() - start < 60


@pytest.mark.parametrize(
    "first",
    [
        b"{broken\n",
        b"garbage\n",
        b"\n \n",
        b'{"n":1}\n',
        b'"garbage\n',
        b"\xff\n",
        b'"_airbyte_raw_id":"r"\n',
    ],
)
def test_a_bad_first_line_costs_only_that_row(first: bytes) -> None:
    """A replay leaves the rows that can't be read, which may then come first."""
    rows = rows_of(first + GOOD_JSON)
    assert [row.data for row in rows][-1] == b'{"n":1}'
    assert [row.fault for row in rows[:-1]] == (["line 1: malformed"] if first.strip() else [])


def test_blank_lines_before_a_table_are_skipped() -> None:
    """Spreadsheets and editors leave them."""
    assert [row.data for row in rows_of(b"\r\n \r\n" + HEADER + GOOD_CSV)] == [b'{"n":1}']


@pytest.mark.parametrize(
    ("file", "cause"),
    [
        (HEADER.replace(b",", b";") + GOOD_CSV, "its first line is not a header of rejected rows"),
        (HEADER.replace(b",", b"\t") + GOOD_CSV, "its first line is not a header of rejected rows"),
        (HEADER.replace(b",", b", ") + GOOD_CSV, "its first line is not a header of rejected rows"),
        (HEADER.replace(b'"', b"'") + GOOD_CSV, "its first line is not a header of rejected rows"),
        ((HEADER + GOOD_CSV).replace(b"\r\n", b"\r"), "its first line is not a header of rejected rows"),
        (b"[" + GOOD_JSON.strip() + b"]", "its rows are not on lines of their own"),
        (
            b'{\n  "_airbyte_raw_id": "r",\n  "_airbyte_data": {"n": 1}\n}',
            "its rows are not on lines of their own",
        ),
        (b"{broken\n", "it is not a file of rejected rows"),
    ],
    ids=["semicolons", "tabs", "spaces", "single quotes", "carriage returns", "array", "indented", "no row"],
)
def test_a_file_in_another_shape_is_left_with_the_reason(file: bytes, cause: str) -> None:
    """The operator can save it again as it has to be."""
    with pytest.raises(UnusableFile, match=cause):
        rows_of(file)


def test_the_last_of_two_equal_columns_counts() -> None:
    """Reasons are replaced where the row was read, as parsers take the last member of a name."""
    text = b'{"_airbyte_raw_id":"r","_airbyte_data":[],"_airbyte_data":{"n":1}}\n'
    layout = layout_of(io.BytesIO(text))
    (row,) = read_rows(layout)
    again = layout.with_reasons(row.text, Rejection("invalid", "n", ""))
    assert [(row.data, row.rejection.reason) for row in rows_of(again)] == [(b'{"n":1}', "invalid")]


@pytest.mark.parametrize("header", [b"", HEADER], ids=["JSON Lines", "table"])
def test_the_rows_before_the_end_of_a_small_truncated_file_are_read(header: bytes) -> None:
    """The file is detected by its first line, although not all of its beginning can be decompressed."""
    good = GOOD_CSV if header else GOOD_JSON
    rows = read_rows(layout_of(io.BytesIO(gzip.compress(header + good)[:-8])))
    assert next(rows).data == b'{"n":1}'
    with pytest.raises(UnusableFile, match="its compression is broken"):
        next(rows)
