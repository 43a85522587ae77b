"""Files of rejected rows are read back: the reader turns what was written into the same row."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.storage import CsvFormat, Flattening, JsonlFormat
from destination_customerio.dead_letters.reading.layout import UNREADABLE, DeadLetter
from destination_customerio.dead_letters.reading.reader import layout_of, read_rows
from destination_customerio.dead_letters.reading.row_texts import MAX_ROW_BYTES, UnusableFile
from destination_customerio.dead_letters.row_format import REJECTED_COLUMNS, row_encoder
from destination_customerio.errors import Rejection
from unit_tests.dead_letters.test_row_format import (
    REJECTED,
    line_of,
    names,
    on_one_line,
    read_json,
    rows,
)
from unit_tests.exact_json.json_values import same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RAW_ID = "6f2d6a3a-0b8f-4b39-9d59-2f3f6a1c9a11"
FLAT: Flattening = "Root level flattening"
WHOLE: Flattening = "No flattening"
FORMATS = {
    f"{kind}, {flattening}": (
        CsvFormat(format_type="CSV", flattening=flattening)
        if kind == "CSV"
        else JsonlFormat(format_type="JSONL", flattening=flattening)
    )
    for kind, flattening in product(("CSV", "JSONL"), (WHOLE, FLAT))
}
FLAT_CSV = FORMATS[f"CSV, {FLAT}"]
EXACT = [name for name in FORMATS if name != f"CSV, {FLAT}"]
REJECTION = Rejection("required", "person_email", 'The column "person_email",\r\nit is empty.')
NEW = Rejection("invalid", 'a "field", new', "Noch\nimmer falsch, ü.")


def file_of(
    file_format: CsvFormat | JsonlFormat, texts: Sequence[str], properties: Mapping[str, Any] | None = None
) -> bytes:
    """One file with these rows, of a stream whose schema has these properties."""
    stream = Stream("users", "shop", properties=properties or {}, sync_id=42, generation_id=3)
    encoder = row_encoder(file_format, stream)
    return encoder.header + b"".join(encoder.encode(line_of(text), REJECTION, RAW_ID) for text in texts)


def read(
    file: bytes, properties: Mapping[str, Any] | None = None, max_row_bytes: int = MAX_ROW_BYTES
) -> list[DeadLetter]:
    """All rows of a file."""
    return list(read_rows(layout_of(io.BytesIO(file), properties, max_row_bytes)))


def data_of(row: DeadLetter) -> Any:
    """The row's data, parsed with all digits."""
    assert row.data is not None
    return read_json(row.data)


@pytest.mark.parametrize("name", EXACT)
@given(data=st.data(), row=rows)
def test_what_was_written_is_read_back(name: str, data: st.DataObject, row: dict[str, Any]) -> None:
    """Exactly, in three of the four layouts: every value, when the row came, and why it was rejected."""
    (found,) = read(file_of(FORMATS[name], [data.draw(on_one_line(row))]))
    assert same(data_of(found), row)
    assert (found.raw_id, found.extracted_at, found.sync_id) == (RAW_ID, 1_700_000_000_123, 42)
    assert vars_of(found.rejection) == vars_of(REJECTION)
    assert b"\n" not in found.data  # type: ignore[operator]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seconds", [b"1700000000", b"1700000000.0"])
def test_a_time_in_seconds_is_read_in_milliseconds(name: str, seconds: bytes) -> None:
    """Older versions stored what the client sent, and people edit files."""
    file = file_of(FORMATS[name], ['{"a":1}'])
    assert file.count(b"1700000000123") == 1
    (found,) = read(file.replace(b"1700000000123", seconds))
    assert found.extracted_at == 1_700_000_000_000


@given(data=st.data(), row=rows, known=st.lists(names, unique=True, max_size=4))
def test_a_flat_table_gives_back_all_that_it_holds(
    data: st.DataObject, row: dict[str, Any], known: list[str]
) -> None:
    """In columns of the schema nulls are absent, and text that looks like an object is one; all else is exact."""
    file = file_of(FLAT_CSV, [data.draw(on_one_line(row))], {column: {} for column in known})
    (found,) = read(file)
    read_back = data_of(found)
    assert read_back.keys() == {name for name, value in row.items() if name not in known or value is not None}
    for name, value in read_back.items():
        looks_like_an_object = isinstance(row[name], str) and row[name][:1] in ("{", "[")
        assert same(value, row[name]) or (name in known and looks_like_an_object)
    assert vars_of(found.rejection) == vars_of(REJECTION)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data(), row=rows)
def test_new_reasons_replace_the_old_and_nothing_else(
    name: str, data: st.DataObject, row: dict[str, Any]
) -> None:
    """A row that is written again under its header is the same row with new reasons."""
    file = file_of(FORMATS[name], [data.draw(on_one_line(row))])
    layout = layout_of(io.BytesIO(file))
    before = read(file)[0]
    (after,) = read(layout.header + layout.with_reasons(before.text, NEW))
    assert vars_of(after.rejection) == vars_of(NEW)
    assert same(data_of(after), data_of(before))
    assert (after.raw_id, after.extracted_at, after.sync_id) == (RAW_ID, 1_700_000_000_123, 42)


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_s_own_columns_named_like_the_reasons_are_read_back(name: str) -> None:
    """However often it is rejected again, the file has one more name for each of them."""
    row = dict.fromkeys(REJECTED, "low income") | {"rejected_reason_from_row": "other", "n": 1}
    file = file_of(FORMATS[name], [json.dumps(row)], {"rejected_reason": {}, "n": {}})
    for _ in range(3):
        layout = layout_of(io.BytesIO(file))
        (found,) = read(file)
        assert data_of(found) == row
        assert file.count(b"rejected_reason_from_row_from_row") == 1
        assert b"rejected_field_from_row_from_row" not in file
        file = layout.header + layout.with_reasons(found.text, NEW)


@pytest.mark.parametrize(
    "file",
    [
        b'{"_airbyte_raw_id":"1","_airbyte_data":{"a":1,"rejected_reason":"x","rejected_field":"","rejected_message":""}}\n',
        b'{"_airbyte_raw_id":"1","a":1,"rejected_reason":"x","rejected_field":"","rejected_message":""}\n',
        b'"_airbyte_raw_id","_airbyte_data"\r\n"1","{""a"":1,""rejected_reason"":""x""}"\r\n',
        b'"_airbyte_raw_id","a","_airbyte_data","rejected_reason","rejected_field","rejected_message"\r\n"1",1,,"x","",""\r\n',
    ],
)
def test_files_of_versions_that_dropped_such_columns_are_read(file: bytes) -> None:
    """They hold the reasons alone."""
    (found,) = read(file)
    assert data_of(found) == {"a": 1}
    assert found.rejection.reason == "x"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_rows_are_read_in_order(name: str, compress: Any) -> None:
    """Also with line ends and quotes in values, compressed or not."""
    texts = [json.dumps({"n": number, "bio": 'a "b",\r\nc'}) for number in range(300)]
    found = read(compress(file_of(FORMATS[name], texts)))
    assert [data_of(row)["n"] for row in found] == list(range(300))
    assert [row.number for row in found] == list(range(300))
    assert {data_of(row)["bio"] for row in found} == {'a "b",\r\nc'}


def test_quotes_distinguish_text_from_numbers_in_a_flat_table() -> None:
    """A quoted 5 was text and a bare one a number."""
    row = {
        "a": "5",
        "b": 5,
        "c": "true",
        "d": True,
        "e": 1.50,
        "f": "",
        "g": None,
        "h": "+44 20",
        "i": {"j": []},
    }
    (found,) = read(file_of(FLAT_CSV, [json.dumps(row)], {name: {} for name in row}))
    del row["g"]
    assert data_of(found) == row


def test_text_that_looks_like_an_object_is_text_where_the_schema_says_so() -> None:
    """In a flat table both are quoted alike."""
    row = {"note": '{"a": 1}', "tags": ["x"]}
    schema = {"note": {"type": ["null", "string"]}, "tags": {"type": "array"}}
    file = file_of(FLAT_CSV, [json.dumps(row)], schema)
    assert data_of(read(file, schema)[0]) == row
    assert data_of(read(file)[0]) == {**row, "note": {"a": 1}}


def test_a_table_saved_by_another_program_is_read() -> None:
    """Without quotes, with a byte order mark, a bare null and plain line ends."""
    file = (
        b"\xef\xbb\xbf_airbyte_raw_id,_airbyte_extracted_at,_airbyte_meta,_airbyte_generation_id,"
        b"person_email,age,plan,rejected_reason,rejected_field,rejected_message\n"
        b'r1,1700000000123,"{""sync_id"":42}",3,ada@example.com,36,null,required,age,words\n'
    )
    (found,) = read(file)
    assert data_of(found) == {"person_email": "ada@example.com", "age": 36, "plan": None}
    assert (found.raw_id, found.sync_id, found.rejection.field) == ("r1", 42, "age")


def test_columns_outside_the_schema_are_read_as_columns_of_the_row() -> None:
    """They are one cell of JSON in the file."""
    texts = ['{"a":1}', '{"a":2,"b":3,"_airbyte_data":{"c":4}}', '{"d":null}']
    found = read(file_of(FLAT_CSV, texts, {"a": {}}))
    assert [data_of(row) for row in found] == [json.loads(text) for text in texts]


WIDENED = '"_airbyte_raw_id","_airbyte_extracted_at","_airbyte_meta","_airbyte_generation_id","a",{}"rejected_reason","rejected_field","rejected_message"\r\n'
BEFORE = f'"{RAW_ID}",1700000000123,"{{""sync_id"":42}}",3'
BEHIND = '"required","person_email","Empty."\r\n'


@pytest.mark.parametrize(
    ("columns", "cells", "data"),
    [
        ("", "1", {"a": 1}),
        (
            '"b","_airbyte_data_from_row",',
            '1,"x","{""c"":1.50}"',
            {"a": 1, "b": "x", "_airbyte_data": {"c": Decimal("1.50")}},
        ),
        (
            '"b","_airbyte_data",',
            '1,,"{""key_1"":null,""_airbyte_data_from_row"":2}"',
            {"a": 1, "key_1": None, "_airbyte_data": 2},
        ),
    ],
    ids=["the columns of the schema alone", "a header widened by rows", "a header widened as far as it went"],
)
def test_flat_tables_of_older_versions_are_read(columns: str, cells: str, data: dict[str, Any]) -> None:
    """They have a column for each of those outside the schema, and `_airbyte_data` only after very many of these."""
    file = (WIDENED.format(columns) + f"{BEFORE},{cells},{BEHIND}").encode()
    (found,) = read(file)
    assert same(data_of(found), data)
    assert (found.raw_id, found.sync_id, found.rejection.message) == (RAW_ID, 42, "Empty.")
    layout = layout_of(io.BytesIO(file))
    (after,) = read(layout.header + layout.with_reasons(found.text, NEW))
    assert same(data_of(after), data)
    assert vars_of(after.rejection) == vars_of(NEW)


@pytest.mark.parametrize("name", FORMATS)
def test_a_malformed_row_costs_only_that_row(name: str) -> None:
    """It is returned with the others, without data."""
    file = file_of(FORMATS[name], ['{"n":[1]}', '{"n":[2]}', '{"n":[3]}'])
    first, broken, last = read(file)
    damaged = broken.text.replace(b"[2]", b'[2"",' if name.startswith("CSV") else b"[2,")
    if name == f"CSV, {FLAT}":
        damaged = b"1,2,3\r\n"
    found = read(layout_of(io.BytesIO(file)).header + first.text + damaged + last.text)
    assert [row.data is None for row in found] == [False, True, False]
    assert (found[1].rejection.reason, found[1].text) == (UNREADABLE, damaged)


@pytest.mark.parametrize("name", EXACT)
def test_a_deep_row_is_a_row(name: str) -> None:
    """It was rejected because it is nested more deeply than the parser allows."""
    deep = '{"n":' + "[" * 20_000 + "]" * 20_000 + "}"
    (found,) = read(file_of(FORMATS[name], [deep]))
    assert found.data == deep.encode()


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\n",
        b"Written by the connection check\n",
        b'"a","b"\r\n1,2\r\n',
        b'"_airbyte_raw_id","other"\r\n1,2\r\n',
        b'"_airbyte_raw_id","_airbyte_data"\r\n1,"open\r\n',
        gzip.compress(b'"_airbyte_raw_id","_airbyte_data"\r\n' + bytes(range(35, 127)) * 900)[:-20],
        b"\x1f\x8bnot really",
        b"no line end " * 400_000,
        b'{"type":"object"}\n{"another":"kind"}\n',
        b'{\n  "printed": "over lines"\n}\n',
    ],
    ids=len,
)
def test_other_files_are_recognized(file: bytes) -> None:
    """Anything else in the bucket, and truncated files."""
    with pytest.raises(UnusableFile):
        read(file)


@pytest.mark.parametrize(
    "text",
    [
        b'{"_airbyte_data":{"person_id":"u1","rejected_reason":"invalid"}}',
        b'{"person_id":"u1","rejected_reason":"invalid"}',
    ],
)
def test_a_copied_row_may_lack_its_raw_id(text: bytes) -> None:
    """And everything else that Airbyte adds."""
    (row,) = read(text)
    assert (row.raw_id, row.sync_id, row.data) == ("", None, b'{"person_id":"u1"}')
    assert row.rejection.reason == "invalid"


def vars_of(rejection: Rejection) -> tuple[str, str, str]:
    """A rejection as a value that can be compared."""
    return rejection.reason, rejection.field, rejection.message


def test_the_columns_of_the_reasons_are_those_of_the_writer() -> None:
    """So that these tests drop the right ones."""
    assert list(REJECTED_COLUMNS) == REJECTED
