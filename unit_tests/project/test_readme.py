"""The examples and tables of the README and the pages that it leads to match the code."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from destination_customerio import cli
from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.loader import parse_config
from destination_customerio.config.spec import connection_specification
from destination_customerio.config.stream_mappings import StreamMapping
from destination_customerio.exact_json.codec import parse_exactly
from destination_customerio.mapping.assembler import Assembler
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.routing.rename import Rename
from tools.generated_docs import PAGE, documents
from unit_tests.mapping.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONFIGURATION, MAPPING, TROUBLESHOOTING = (
    (ROOT / "docs" / f"{name}.md").read_text() for name in ("configuration", "mapping", "troubleshooting")
)

_EXAMPLE = re.compile(r"<!-- row: (\w+) -->\n```json\n(.*?)\n```.*?```json\n(.*?)\n```", re.DOTALL)
_MAPPING = re.compile(
    r"<!-- mapping: (\w+) -->\n```json\n(.*?)\n```.*?```json\n(.*?)\n```.*?```json\n(.*?)\n```", re.DOTALL
)
_SETTINGS = AssemblySettings(
    identifier_kind=IDENTIFIER_KINDS["email"],
    event_id_strategy="none",
    convert_timestamps=False,
    fresh_id=FreshIds(),
)


@pytest.mark.parametrize(("object_name", "row", "entry"), _EXAMPLE.findall(README + MAPPING))
def test_example_rows_become_the_entries_shown(object_name: str, row: str, entry: str) -> None:
    """Each example row is assembled into the entry that follows it."""
    assembler = Sending(Assembler(Stream("example"), DESTINATION_OBJECTS[object_name], _SETTINGS))
    _, encoded = assembler.assemble(parse_exactly(row.encode()), b"{}")
    assert json.loads(encoded) == json.loads(entry)


@pytest.mark.parametrize(("stream_name", "mapping", "row", "entry"), _MAPPING.findall(MAPPING))
def test_the_example_of_a_stream_mapping_becomes_the_entry_shown(
    stream_name: str, mapping: str, row: str, entry: str
) -> None:
    """The row under "Stream mappings" is assembled, with the mapping, into the entry that follows it."""
    read = StreamMapping.model_validate_json(mapping)
    target = DESTINATION_OBJECTS[read.destination_object_name]
    renaming = Rename(read, target, _SETTINGS.identifier_kind)
    assembler = Sending(Assembler(Stream(stream_name), target, _SETTINGS, renaming))
    _, encoded = assembler.assemble(parse_exactly(row.encode()), b"{}")
    assert (read.stream_name, json.loads(encoded)) == (stream_name, json.loads(entry))


@pytest.mark.parametrize(
    "code",
    [
        *re.findall(r"```python\n(.*?)```", README, re.DOTALL),
        (ROOT / "examples/pyairbyte_sync.py").read_text(),
    ],
)
def test_the_stream_mappings_of_python_examples_are_valid(code: str) -> None:
    """They are parsed from the source, because PyAirbyte is not installed for most tests."""
    (mappings,) = _stream_mappings(code)
    config = {
        "credentials": {"siteId": "site", "apiKey": "key"},
        "stream_mappings": mappings,
    }
    jsonschema.validate(config, connection_specification())
    assert parse_config(config, {}).stream_mappings


def test_the_table_of_stream_mappings_lists_every_key() -> None:
    """It lists the keys of the form, in order, and no others."""
    items = connection_specification()["properties"]["stream_mappings"]["items"]
    assert _first_cells(MAPPING, "## Stream mappings") == list(items["properties"])


def test_the_pages_have_examples_to_run() -> None:
    """The tests above would pass if their patterns matched nothing."""
    assert len(_MAPPING.findall(MAPPING)) == 1
    assert {example[0] for example in _EXAMPLE.findall(README + MAPPING)} == {
        "person_identify",
        "person_event",
    }


def test_generated_parts_are_what_the_code_makes_of_them() -> None:
    """`make docs` was run after the last change of what they are made of."""
    for _, text, made_anew in documents():
        assert text == made_anew


@pytest.mark.parametrize("file", ["README.md", "docs/rejected-rows.md", PAGE])
def test_documented_command_lines_parse(file: str) -> None:
    """Each command line, in a block or in the text, is valid, and both `rejected` and `replay` are shown."""
    lines = re.findall(
        r"(?:^\$ |`)destination-customerio ([^`#\n]+)", (ROOT / file).read_text(), re.MULTILINE
    )
    parsed = [cli._parse(shlex.split(line)) for line in lines]
    assert {"rejected", "replay"} <= {arguments.command for arguments in parsed}


def test_the_tables_of_the_configuration_name_all_keys_and_no_others() -> None:
    """Each key of the configuration is in one of the two tables, with its default."""
    schema = connection_specification()
    storage = schema["properties"]["object_storage_config"]["oneOf"][1]["properties"]
    documented = _first_cells(CONFIGURATION, "## Settings")
    keys = {key.removeprefix("credentials.") for key in documented}
    expected = set(schema["properties"]) - {"credentials"} | {"siteId", "apiKey"} | set(storage)
    assert keys == expected


def test_documented_defaults_are_the_defaults() -> None:
    """Plain defaults in the table equal those of the specification."""
    properties: dict[str, Any] = connection_specification()["properties"]
    for key in (
        "identifierType",
        "region",
        "event_id_strategy",
        "max_concurrent_requests",
        "retry_timeout_seconds",
    ):
        assert f"| `{key}` | `{properties[key]['default']}` |" in CONFIGURATION
    for key in ("convert_timestamps", "allow_destructive_operations"):
        assert f"| `{key}` | `false` |" in CONFIGURATION
        assert properties[key]["default"] is False


def test_each_message_of_the_troubleshooting_table_is_in_the_code() -> None:
    """Users look messages up by their first words."""
    code = "\n".join(path.read_text() for path in (ROOT / "destination_customerio").rglob("*.py"))
    messages = _first_cells(TROUBLESHOOTING, "# Troubleshooting")
    assert len(messages) > 5
    for message in messages:
        assert message in code


def _first_cells(page: str, heading: str) -> list[str]:
    """The code spans in the first cells of the tables below a heading, up to the next heading of its level."""
    level = heading.split(maxsplit=1)[0]
    section = re.split(rf"\n#{{1,{len(level)}}} ", page.split(f"{heading}\n", 1)[1])[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]*)`", cell)]


def _stream_mappings(code: str) -> Iterator[Any]:
    """The lists that Python code assigns to the name or key `stream_mappings`."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Dict):
            named = [
                (ast.unparse(key), value) for key, value in zip(node.keys, node.values, strict=True) if key
            ]
        elif isinstance(node, ast.Assign):
            named = [(ast.unparse(target), node.value) for target in node.targets]
        else:
            continue
        for name, value in named:
            if name.strip("'").lower() == "stream_mappings" and isinstance(value, ast.List):
                yield ast.literal_eval(value)
