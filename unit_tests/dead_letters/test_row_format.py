"""Rejected rows as lines of CSV and JSON Lines: a file contains exactly what the row contained."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.storage import CsvFormat, Flattening, JsonlFormat
from destination_customerio.dead_letters.row_format import row_encoder
from destination_customerio.errors import Rejection
from unit_tests.exact_json.json_values import broken_text, nested, same, scalars, text, written

if TYPE_CHECKING:
    from destination_customerio.dead_letters.row_format import RowEncoder

WHOLE: Flattening = "No flattening"
FLAT: Flattening = "Root level flattening"
RAW_ID = "6f2d6a3a-0b8f-4b39-9d59-2f3f6a1c9a11"
OURS = ["_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta", "_airbyte_generation_id"]
REJECTED = ["rejected_reason", "rejected_field", "rejected_message"]
REJECTION = Rejection(
    "required", "person_email", 'The column "person_email" is empty.\r\nFill it, ünd resend.'
)

names = text | st.sampled_from(
    [
        *OURS,
        *REJECTED,
        "_airbyte_data",
        "_airbyte_data_from_row",
        "_airbyte_raw_id_from_row",
        "_airbyte_raw_id_from_row_from_row",
        "rejected_reason_from_row",
        "rejected_field_from_row_from_row",
        "_from_row",
    ]
)
rows = st.dictionaries(names, nested(scalars, names), max_size=6)


def a_stream(*properties: str) -> Stream:
    """A stream with these columns in its schema."""
    return Stream("users", "shop", properties={name: {} for name in properties}, sync_id=42, generation_id=3)


def line_of(data: str, rest: str = '"emitted_at":1700000000123') -> bytes:
    """A RECORD message with this row."""
    return (
        f'{{"type":"RECORD","record":{{"stream":"users","namespace":"shop","data":{data},{rest}}}}}'.encode()
    )


def csv_encoder(flattening: Flattening, *properties: str) -> RowEncoder:
    """An encoder of CSV lines."""
    return row_encoder(CsvFormat(format_type="CSV", flattening=flattening), a_stream(*properties))


def jsonl_encoder(flattening: Flattening, *properties: str) -> RowEncoder:
    """An encoder of JSON lines."""
    return row_encoder(JsonlFormat(format_type="JSONL", flattening=flattening), a_stream(*properties))


def on_one_line(row: dict[str, Any]) -> st.SearchStrategy[str]:
    """The ways to write a row as part of a message, which is one line."""
    return written(row).map(lambda text: text.replace("\n", " "))


def encode(encoder: RowEncoder, data: str, rejection: Rejection = REJECTION) -> bytes:
    """Encode a row given by its text."""
    return encoder.encode(line_of(data), rejection, RAW_ID)


def read_json(text: bytes | str) -> Any:
    """Parse with all digits kept."""
    return json.loads(text, parse_float=Decimal)


def read_csv(file: bytes) -> list[dict[str, str]]:
    """Parse a file, and check that all its lines are as wide as its header."""
    header, *lines = csv.reader(io.StringIO(file.decode(), newline=""), strict=True)
    assert len(set(header)) == len(header)
    assert all(len(line) == len(header) for line in lines)
    return [dict(zip(header, line, strict=True)) for line in lines]


def in_one_file(encoder: RowEncoder, data: str, rejection: Rejection = REJECTION) -> dict[str, str]:
    """A row as read back from a file of its own."""
    (cells,) = read_csv(encoder.header + encode(encoder, data, rejection))
    return cells


def renamed(name: str, *, beside: list[str] = [*OURS, "_airbyte_data", *REJECTED]) -> str:  # noqa: B006 - not changed
    """The name of a row's column beside others, found in another way than the connector does."""
    stem = name
    while stem.endswith("_from_row"):
        stem = stem[: -len("_from_row")]
    return name + "_from_row" if stem in beside else name


def with_reasons(row: dict[str, Any]) -> dict[str, Any]:
    """A row and the reasons of its rejection in one object."""
    own = {renamed(name, beside=REJECTED): value for name, value in row.items()}
    return own | dict(zip(REJECTED, EXPECTED_REASONS, strict=True))


def holds(cell: str, value: Any) -> bool:
    """Whether a cell holds the row's value."""
    if value is None:
        return cell == ""
    return cell == value if isinstance(value, str) else same(read_json(cell), value)


def overflow(cells: dict[str, str]) -> Any:
    """The columns of a row that the schema does not have."""
    return read_json(cells["_airbyte_data"] or "{}")


def reasons(values: dict[str, Any]) -> list[Any]:
    """The three columns that say why."""
    return [values[name] for name in REJECTED]


EXPECTED_REASONS = [REJECTION.reason, REJECTION.field, REJECTION.message]


@given(st.data(), rows)
def test_a_json_line_contains_the_row(data: st.DataObject, row: dict[str, Any]) -> None:
    """All members in their order, with the reasons at the end, on one line."""
    line = encode(jsonl_encoder(WHOLE), data.draw(on_one_line(row)))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    read = read_json(line)
    assert list(read) == [*OURS, "_airbyte_data"]
    assert same(read["_airbyte_data"], with_reasons(row))


@given(st.data(), rows)
def test_a_flattened_json_line_contains_the_row(data: st.DataObject, row: dict[str, Any]) -> None:
    """The same members at the root, renamed if they have the name of another column of the file."""
    line = encode(jsonl_encoder(FLAT), data.draw(on_one_line(row)))
    read = read_json(line)
    assert list(read) == [*OURS, *map(renamed, row), *REJECTED]
    assert all(same(read[renamed(name)], value) for name, value in row.items())
    assert reasons(read) == EXPECTED_REASONS


@given(st.data(), rows)
def test_a_csv_line_contains_the_row(data: st.DataObject, row: dict[str, Any]) -> None:
    """The row is one column of JSON, reasons included."""
    cells = in_one_file(csv_encoder(WHOLE), data.draw(on_one_line(row)))
    assert list(cells) == [*OURS, "_airbyte_data"]
    assert same(read_json(cells["_airbyte_data"]), with_reasons(row))


@given(st.data(), rows, st.lists(names, unique=True, max_size=4))
def test_a_flattened_csv_line_contains_the_row(
    data: st.DataObject, row: dict[str, Any], properties: list[str]
) -> None:
    """Columns of the schema have a cell each, whether the row has them or not; all others are one JSON object."""
    cells = in_one_file(csv_encoder(FLAT, *properties), data.draw(on_one_line(row)))
    kept = {renamed(name): value for name, value in row.items()}
    known = [renamed(name) for name in properties]
    assert list(cells) == [*OURS, *known, "_airbyte_data", *REJECTED]
    assert all(holds(cells[name], kept.get(name)) for name in known)
    assert same(overflow(cells), {name: value for name, value in kept.items() if name not in known})
    assert reasons(cells) == EXPECTED_REASONS


@given(st.lists(rows, max_size=8))
def test_the_header_of_a_stream_never_changes(rows: list[dict[str, Any]]) -> None:
    """Rows of any shape share one file."""
    encoder = csv_encoder(FLAT, "known")
    file = encoder.header + b"".join(encode(encoder, json.dumps(row)) for row in rows)
    for row, cells in zip(rows, read_csv(file), strict=True):
        outside_schema = {renamed(name): value for name, value in row.items() if name != "known"}
        assert same(overflow(cells), outside_schema)


@pytest.mark.parametrize("flattening", [WHOLE, FLAT])
@pytest.mark.parametrize(
    "value",
    [
        "1.10",
        "-0.0",
        "1E400",
        "12345678901234567890123456789",
        "9" * 400,
        '"\\ud800"',
        '"\\u0000\\/"',
        '{"a": 1,"a":2}',
        "[1.50, NaN]",
        "[" * 10_000 + "]" * 10_000,
    ],
)
def test_values_are_copied_and_not_parsed(flattening: Flattening, value: str) -> None:
    """Digits, spelling, duplicate keys, lone surrogates and any depth are preserved."""
    assert f'"column":{value}'.encode() in encode(jsonl_encoder(flattening), f'{{"column":{value}}}')
    if flattening == WHOLE:
        row = encode(csv_encoder(WHOLE), f'{{"column":{value}}}')
        assert f'"column":{value}'.replace('"', '""').encode() in row
    elif not value.startswith('"'):
        cells = in_one_file(csv_encoder(FLAT, "column"), f'{{"column":{value}}}')
        assert cells["column"] == value


def test_duplicate_members_are_kept_in_json_and_merged_in_a_table() -> None:
    """A table has one column for a name, with the value that JSON parsers return."""
    row = '{"a":1,"a":2}'
    assert b'{"a":1,"a":2,' in encode(jsonl_encoder(WHOLE), row)
    assert b'"a":1,"a":2,' in encode(jsonl_encoder(FLAT), row)
    assert in_one_file(csv_encoder(FLAT, "a"), row)["a"] == "2"
    assert overflow(in_one_file(csv_encoder(FLAT), row)) == {"a": 2}


@given(broken_text, broken_text)
def test_flattened_text_with_a_lone_surrogate_stays_an_escape(name: str, value: str) -> None:
    """It has no UTF-8 form, and the row is kept all the same."""
    cells = in_one_file(csv_encoder(FLAT, "x" + name), json.dumps({"x" + name: value}))
    as_kept = ("x" + name).encode("utf-8", "backslashreplace").decode()
    assert cells[as_kept] == value.encode("utf-8", "backslashreplace").decode()


@given(broken_text)
def test_reasons_may_hold_anything(message: str) -> None:
    """A message that quotes a lone surrogate is kept in every format."""
    rejection = Rejection("invalid", message, message)
    whole = [
        json.loads(encode(jsonl_encoder(WHOLE), "{}", rejection))["_airbyte_data"],
        json.loads(in_one_file(csv_encoder(WHOLE), "{}", rejection)["_airbyte_data"]),
        json.loads(encode(jsonl_encoder(FLAT), "{}", rejection)),
    ]
    assert all(reasons(values) == ["invalid", message, message] for values in whole)
    cells = in_one_file(csv_encoder(FLAT), "{}", rejection)
    assert cells["rejected_message"] == message.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("file_format", ["CSV", "JSONL"])
@pytest.mark.parametrize("flattening", [WHOLE, FLAT])
def test_airbytes_own_columns(file_format: str, flattening: Flattening) -> None:
    """The uuid, the time of extraction, the job with the record's own changes, and the generation."""
    change = '{"field":"a","change":"NULLED","reason":"SOURCE_FIELD_SIZE_LIMITATION"}'
    line = line_of('{"a":1}', f'"meta":{{"changes":[{change}]}},"emitted_at": 1700000000123 ')
    if file_format == "CSV":
        encoder = csv_encoder(flattening, "a")
        row = encoder.encode(line, REJECTION, RAW_ID)
        (cells,) = read_csv(encoder.header + row)
        values = {**cells, "_airbyte_meta": json.loads(cells["_airbyte_meta"])}
        assert f'"{RAW_ID}",1700000000123,"'.encode() in row
    else:
        values = json.loads(jsonl_encoder(flattening).encode(line, REJECTION, RAW_ID))
    assert [str(values[name]) for name in OURS if name != "_airbyte_meta"] == [RAW_ID, "1700000000123", "3"]
    assert values["_airbyte_meta"] == {"sync_id": 42, "changes": [json.loads(change)]}


@pytest.mark.parametrize(
    "rest", ['"meta":null', '"meta":{}', '"meta":{"changes":null}', '"meta":{"changes":[]}', '"other":1']
)
def test_a_record_without_changes_has_an_empty_list_of_them(rest: str) -> None:
    """Sources omit meta, or parts of it; a record without a time has none here either."""
    read = json.loads(jsonl_encoder(WHOLE).encode(line_of("{}", rest), REJECTION, RAW_ID))
    assert read["_airbyte_meta"] == {"sync_id": 42, "changes": []}
    assert read["_airbyte_extracted_at"] is None


def test_csv_is_written_as_spreadsheets_and_databases_read_it() -> None:
    """CRLF, a header, strings quoted, numbers and booleans bare, objects and arrays as JSON, null empty."""
    encoder = csv_encoder(FLAT, "text", "number", "flag", "object", "array", "null", "absent", "empty")
    row = encode(
        encoder,
        '{"text":"say \\"hi\\"","number":1.50,"flag":true,"object":{"a":"b"},"array":["x"],"null":null,"empty":""}',
        Rejection("invalid", "", "No."),
    )
    assert encoder.header == (
        b'"_airbyte_raw_id","_airbyte_extracted_at","_airbyte_meta","_airbyte_generation_id",'
        b'"text","number","flag","object","array","null","absent","empty","_airbyte_data",'
        b'"rejected_reason","rejected_field","rejected_message"\r\n'
    )
    assert row.endswith(b',3,"say ""hi""",1.50,true,"{""a"":""b""}","[""x""]",,,"",,"invalid","","No."\r\n')


@pytest.mark.parametrize("value", ["=1+1", "+441234567890", "-1", "@cmd", "\tx", '=HYPERLINK("x")'])
@pytest.mark.parametrize("flattening", [WHOLE, FLAT])
def test_a_cell_that_a_spreadsheet_would_run_is_kept_as_it_came(flattening: Flattening, value: str) -> None:
    """The files are the data itself: a quote put before +44... would be replayed with it."""
    cells = in_one_file(csv_encoder(flattening, "column"), json.dumps({"column": value}))
    kept = cells["column"] if flattening == FLAT else json.loads(cells["_airbyte_data"])["column"]
    assert kept == value


@pytest.mark.parametrize(
    "name",
    [
        "rejected_reason",
        "\\u0072ejected_field",
        "rejected\\u005fmessage",
        "rejected_reaso\\u006E",
        "\\u0072\\u0065\\u006a\\u0065\\u0063\\u0074\\u0065\\u0064\\u005F\\u0066\\u0069\\u0065\\u006c\\u0064",
    ],
)
def test_columns_named_like_the_reasons_are_kept(name: str) -> None:
    """Also when their names are written with escapes."""
    row = f'{{"a":1,"{name}":"low income","b":2}}'
    kept = json.loads(f'"{name}"') + "_from_row"
    assert json.loads(encode(jsonl_encoder(FLAT), row))[kept] == "low income"
    assert json.loads(encode(jsonl_encoder(WHOLE), row))["_airbyte_data"][kept] == "low income"
    assert json.loads(in_one_file(csv_encoder(WHOLE), row)["_airbyte_data"])[kept] == "low income"
    assert in_one_file(csv_encoder(FLAT, kept.removesuffix("_from_row")), row)[kept] == "low income"
    assert overflow(in_one_file(csv_encoder(FLAT), row))[kept] == "low income"


@pytest.mark.parametrize("encoder", [jsonl_encoder(FLAT), csv_encoder(WHOLE)])
@pytest.mark.parametrize("first", ['"x":"\\u00e9"', '"x":"\\u0061"', '"rejected_field":1'])
def test_a_row_of_many_columns_takes_few_times_its_memory(encoder: RowEncoder, first: str) -> None:
    """They don't become objects, whatever has to be renamed among them."""
    line = line_of("{" + first + ',"c":0' * 100_000 + "}")
    tracemalloc.start()
    try:
        encoder.encode(line, REJECTION, RAW_ID)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(line)


def test_columns_outside_the_schema_are_kept_exactly() -> None:
    """They are one JSON object from the first row on, with nulls, digits and names like Airbyte's."""
    encoder = csv_encoder(FLAT, "a")
    cells = in_one_file(encoder, '{"a":1,"b":null,"c":1.50,"_airbyte_data":{"d":"e"}}')
    assert cells["a"] == "1"
    assert cells["_airbyte_data"] == '{"b":null,"c":1.50,"_airbyte_data_from_row":{"d":"e"}}'
    assert in_one_file(encoder, '{"a":2}')["_airbyte_data"] == ""


def test_of_duplicate_members_of_a_message_the_last_counts() -> None:
    """As for the parser that routed the row."""
    line = b'{"record":{"data":{"a":1},"emitted_at":1},"type":"RECORD","record":{"data":{"a":2},"data":{"a":3},"emitted_at":2}}'
    read = json.loads(jsonl_encoder(WHOLE).encode(line, REJECTION, RAW_ID))
    assert read["_airbyte_data"]["a"] == 3
    assert read["_airbyte_extracted_at"] == 2_000


@pytest.mark.parametrize("emitted_at", ["1764000000", "1764000000123", "1764000000123456", "1764000000.123"])
def test_the_time_of_extraction_is_in_milliseconds(emitted_at: str) -> None:
    """Whatever unit the client sent: PyAirbyte's cache sends seconds."""
    line = line_of('{"a":1}', f'"emitted_at":{emitted_at}')
    expected = 1764000000123 if "123" in emitted_at else 1764000000000
    read = json.loads(jsonl_encoder(WHOLE).encode(line, REJECTION, RAW_ID))
    assert read["_airbyte_extracted_at"] == expected
    for flattening in (WHOLE, FLAT):
        assert f',{expected},"'.encode() in csv_encoder(flattening).encode(line, REJECTION, RAW_ID)
