"""Parsing of the configured catalog."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.airbyte.catalog import Stream, parse_catalog, read_catalog
from destination_customerio.errors import ProtocolError

if TYPE_CHECKING:
    from pathlib import Path


def parse(*streams: dict[str, Any]) -> list[Stream]:
    """Parse a catalog of these configured streams."""
    return parse_catalog(json.dumps({"streams": list(streams), "unknown": 1}).encode())


def test_a_complete_stream_is_parsed() -> None:
    """Every field that the sync needs is read, and unknown fields are ignored."""
    (stream,) = parse(
        {
            "stream": {
                "name": "users",
                "namespace": "shop",
                "json_schema": {"type": "object", "properties": {"b": {"type": "string"}, "a": {}}},
                "supported_sync_modes": ["full_refresh"],
                "unknown": {},
            },
            "sync_mode": "incremental",
            "destination_sync_mode": "append_dedup",
            "destination_object_name": "person_identify",
            "primary_key": [["id"]],
            "generation_id": 7,
            "minimum_generation_id": 0,
            "sync_id": 2**70,
        }
    )
    assert (stream.name, stream.namespace, stream.object_name) == ("users", "shop", "person_identify")
    assert list(stream.properties) == ["b", "a"]
    assert (stream.sync_id, stream.generation_id) == (2**70, 7)
    assert stream.destination_sync_mode == "append_dedup"
    assert str(stream) == "shop.users"


@pytest.mark.parametrize("mode", ["UPDATE", "Update", " update\n"])
def test_a_sync_mode_may_be_in_any_case(mode: str) -> None:
    """In a catalog written by hand; taken for another one, it would create people."""
    (stream,) = parse({"stream": {"name": "users"}, "destination_sync_mode": mode})
    assert stream.destination_sync_mode == "update"


@pytest.mark.parametrize("mode", [None, 7, {}])
def test_a_sync_mode_of_another_type_is_none(mode: Any) -> None:
    """As if the catalog had none."""
    (stream,) = parse({"stream": {"name": "users"}, "destination_sync_mode": mode})
    assert stream.destination_sync_mode == ""


@pytest.mark.parametrize("absent", [{}, {"destination_object_name": None, "sync_id": None}])
def test_optional_fields_default_to_absent(absent: dict[str, Any]) -> None:
    """Older platforms and PyAirbyte send no object name and no ids."""
    (stream,) = parse({"stream": {"name": "users", "namespace": None}, **absent})
    assert (stream.namespace, stream.object_name, stream.sync_id, stream.generation_id) == (None, None, 0, 0)
    assert dict(stream.properties) == {}
    assert str(stream) == "users"


def test_empty_names_count_as_absent() -> None:
    """An empty namespace or object name is treated like a missing one."""
    (stream,) = parse({"stream": {"name": "users", "namespace": ""}, "destination_object_name": ""})
    assert (stream.namespace, stream.object_name) == (None, None)


def test_properties_that_are_not_an_object_are_ignored() -> None:
    """A schema without columns is not an error."""
    (stream,) = parse({"stream": {"name": "users", "json_schema": {"properties": []}}})
    assert dict(stream.properties) == {}


def test_streams_that_differ_only_in_namespace_are_distinct() -> None:
    """Streams are compared by identity, not by name."""
    one, other = parse({"stream": {"name": "users", "namespace": "a"}}, {"stream": {"name": "users"}})
    assert one != other
    assert Stream(name="x") != Stream(name="x")


@pytest.mark.parametrize(
    ("one", "other"), [({}, {}), ({"namespace": ""}, {"namespace": None}), ({"namespace": "a"},) * 2]
)
def test_a_duplicate_stream_is_an_error(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Rows of two streams with the same name and namespace could not be distinguished."""
    with pytest.raises(ProtocolError, match=r"lists the same stream twice: (a\.)?users\."):
        parse({"stream": {"name": "users", **one}}, {"stream": {"name": "users", **other}})


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b"{}",
        b'{"streams":{}}',
        b'{"streams":[{}]}',
        b'{"streams":[{"stream":{}}]}',
        b"\xff",
    ],
)
def test_an_invalid_catalog_is_an_error_that_quotes_nothing(text: bytes) -> None:
    """The message explains what a catalog needs."""
    with pytest.raises(ProtocolError, match="not a configured Airbyte catalog"):
        parse_catalog(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [(b"", "line 1, column 1"), (b"{", "line 1, column 2"), (b'{\n  "streams" []}', "line 2, column 13")],
)
def test_a_catalog_with_an_error_of_syntax_names_its_place(text: bytes, where: str) -> None:
    """The message quotes nothing of it."""
    with pytest.raises(ProtocolError, match=rf"is not valid JSON \({where}\)\. Nothing was written"):
        parse_catalog(text)


def test_the_catalog_is_read_from_a_file(tmp_path: Path) -> None:
    """The streams come from the path given with --catalog."""
    path = tmp_path / "catalog.json"
    path.write_text('{"streams":[{"stream":{"name":"users"}}]}')
    assert [str(stream) for stream in read_catalog(path)] == ["users"]


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Editors on Windows save one at the start of a file."""
    path = tmp_path / "catalog.json"
    path.write_text('{"streams":[{"stream":{"name":"users"}}]}', encoding="utf-8-sig")
    assert [str(stream) for stream in read_catalog(path)] == ["users"]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """It says what to check."""
    with pytest.raises(ProtocolError, match="Check the path given with --catalog"):
        read_catalog(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ([["person_id"]], (("person_id",),)),
        ([["address", "id"], ["n"]], (("address", "id"), ("n",))),
        (["id"], (("id",),)),
        ([], ()),
        (None, ()),
        ("id", ()),
        ([[], [1], None, {}], ()),
    ],
)
def test_the_primary_key_is_read_as_far_as_it_can_be(key: object, paths: object) -> None:
    """What is no path of names says nothing, and is no reason to fail."""
    (stream,) = parse_catalog(
        json.dumps({"streams": [{"stream": {"name": "s"}, "primary_key": key}]}).encode()
    )
    assert stream.primary_key == paths
