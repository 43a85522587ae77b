"""The connector's specification: the configuration models as the flat JSON schema that Airbyte's UI renders."""

from __future__ import annotations

from typing import Any

from destination_customerio.config.model import Config

DOCUMENTATION_URL = "https://docs.airbyte.com/integrations/destinations/customerio"

# Emitted by pydantic, not understood by the UI.
_NOT_FOR_THE_UI = frozenset({"$defs", "discriminator", "format", "writeOnly"})


def specification() -> dict[str, Any]:
    """The content of the `spec` message, a ConnectorSpecification of the protocol."""
    return {
        "documentationUrl": DOCUMENTATION_URL,
        "connectionSpecification": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            **connection_specification(),
        },
        "supportsIncremental": True,
        "supportsNormalization": False,
        "supportsDBT": False,
        "supported_destination_sync_modes": ["append"],
    }


def connection_specification() -> dict[str, Any]:
    """The configuration's JSON schema without references or combinators except `oneOf`, which the UI supports."""
    schema = Config.model_json_schema(by_alias=True)
    flat: dict[str, Any] = _flat(schema, schema.get("$defs", {}))
    return flat


def _flat(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_flat(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if reference := node.get("$ref"):
        target = definitions[reference.rpartition("/")[2]]
        # Keys beside a reference belong to the field and override the model's.
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    flat = {
        key: {name: _flat(field, definitions) for name, field in value.items()}
        if key == "properties"
        else _flat(value, definitions)
        for key, value in node.items()
        if key not in _NOT_FOR_THE_UI
    }
    if "properties" in flat:
        flat["additionalProperties"] = True
    if "oneOf" in flat:
        flat["type"] = "object"
    return flat
