"""`spec` is flat, complete, and matches what the connector accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from destination_customerio.config.loader import parse_config
from destination_customerio.config.spec import connection_specification, specification

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parents[1] / "golden" / "spec.json"
CREDENTIALS = {"siteId": "site", "apiKey": "key"}
S3 = {"storage_type": "S3", "s3_bucket_name": "b", "s3_bucket_region": "us-east-1", "bucket_path": "p"}


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a document, except in defaults."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key != "default":
                yield from objects(value)
    elif isinstance(node, list):
        for item in node:
            yield from objects(item)


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of the form with its path, including the fields of all options."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}", field
        yield from fields(field, f"{path}{name}.")
    for option in schema.get("oneOf", []):
        yield from fields(option, path)
    if "items" in schema:
        yield from fields(schema["items"], path)


def test_spec_equals_the_golden_file() -> None:
    """A change to the form affects every user, so it must be deliberate."""
    assert json.dumps(specification(), indent=2) + "\n" == GOLDEN.read_text()


def test_declared_capabilities() -> None:
    """The connector declares append and incremental, no normalization, no dbt."""
    spec = specification()
    assert spec["supported_destination_sync_modes"] == ["append"]
    assert spec["supportsIncremental"] is True
    assert spec["supportsNormalization"] is False
    assert spec["supportsDBT"] is False


def test_the_form_is_flat() -> None:
    """Airbyte's UI resolves no references and supports no combinator but `oneOf`."""
    for node in objects(connection_specification()):
        assert not {"$ref", "$defs", "allOf", "anyOf"} & set(node)


def test_every_object_allows_unknown_keys() -> None:
    """Configurations of other versions stay valid."""
    for node in objects(connection_specification()):
        if "properties" in node and isinstance(node.get("type"), str):
            assert node["additionalProperties"] is True


def test_every_field_has_a_title_a_description_and_an_order() -> None:
    """The form must be usable without the docs."""
    for path, field in fields(connection_specification()):
        assert field["title"], path
        assert len(field["description"]) > 10, path
        assert isinstance(field["order"], int), path
        assert "type" in field, path
    for node in objects(connection_specification()):
        if "properties" in node and isinstance(node.get("type"), str):
            orders = [field["order"] for field in node["properties"].values()]
            assert orders == list(range(len(orders)))


def test_every_option_has_a_title_and_a_constant() -> None:
    """The UI shows the title and stores the constant."""
    for node in objects(connection_specification()):
        for option in node.get("oneOf", []):
            assert option["title"]
            assert [name for name, inner in option["properties"].items() if "const" in inner]


def test_exactly_these_fields_are_secret_or_hidden() -> None:
    """A secret shown in clear or a setting gone from the form would be found by users first."""
    found = dict(fields(connection_specification()))
    assert {path for path, field in found.items() if field.get("airbyte_secret")} == {
        "credentials.siteId",
        "credentials.apiKey",
        "object_storage_config.access_key_id",
        "object_storage_config.secret_access_key",
    }
    assert {path for path, field in found.items() if field.get("airbyte_hidden")} == {
        "track_api_url",
        "max_concurrent_requests",
        "retry_timeout_seconds",
    }


def test_examples_and_defaults_are_accepted() -> None:
    """Every example and default of the form is a valid value."""
    schema = connection_specification()
    for name, field in schema["properties"].items():
        for value in [*field.get("examples", []), *([field["default"]] if "default" in field else [])]:
            config = {"credentials": CREDENTIALS, name: value}
            jsonschema.validate(config, schema)
            parse_config(config, {})


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"identifierType": "phone", "region": "eu", "event_id_strategy": "none", "convert_timestamps": True},
        {"object_storage_config": {"storage_type": "None"}},
        {"object_storage_config": S3},
        {"object_storage_config": {**S3, "format": {"format_type": "CSV"}}},
        {
            "object_storage_config": {
                **S3,
                "access_key_id": "a",
                "secret_access_key": "s",
                "role_arn": "arn:aws:iam::123456789012:role/r",
                "s3_endpoint": "https://minio.example.com",
                "format": {"format_type": "JSONL", "flattening": "Root level flattening"},
                "compression": {"compression_type": "GZIP"},
                "path_format": "{sync_id}/",
                "file_name_format": "{part_number}{format_extension}",
            }
        },
        {
            "stream_mappings": [
                {
                    "stream_name": "users",
                    "namespace": "public",
                    "destination_object_name": "person_identify",
                    "field_mappings": [
                        {"source": "email", "destination": "person_email"},
                        {"kind": "column", "source": "address.city", "destination": "city"},
                        {"value": "website", "destination": "origin"},
                        {"kind": "constant", "value": "1", "destination": "version"},
                    ],
                    "unmapped_fields": "drop",
                },
                {"stream_name": "orders", "destination_object_name": "person_event"},
            ]
        },
        {"unknown": 1},
    ],
)
def test_existing_configurations_are_valid_against_the_schema(config: dict[str, Any]) -> None:
    """The platform validates configurations against the schema, so it must accept what the connector accepts."""
    whole = {"credentials": CREDENTIALS, **config}
    jsonschema.validate(whole, connection_specification())
    parse_config(whole, {})
