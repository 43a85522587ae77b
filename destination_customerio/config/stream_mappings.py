"""The configuration of stream mappings, for platforms and clients whose catalog names no destination objects.

A mapped column is either copied from the row (`source`) or constant (`value`). Airbyte's form needs a constant to tell
options apart, so both have a `kind`; it is optional in configurations written by hand.
"""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from destination_customerio.config.fields import Model, Text
from destination_customerio.mapping.objects import DESTINATION_OBJECTS, sync_modes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_Key = TypeVar("_Key")

_DESTINATION = Field(
    min_length=1,
    title="Destination column",
    description=(
        "A column of the destination object, such as person_email or event_name, or the name of an attribute."
    ),
    json_schema_extra={"order": 2, "examples": ["person_email", "event_name"]},
)


def _checked_constant(value: object) -> object:
    if type(value) is bool or type(value) is int:
        return value
    # Decimals, as a configuration with a number of many digits is parsed exactly.
    if (type(value) is float or type(value) is Decimal) and math.isfinite(value):
        return value
    if type(value) is not str:
        raise ValueError("must be text, true, false or a number")
    if not value:
        raise PydanticCustomError("string_too_short", "is empty")
    return value


# A field of a form has one type, so the form has text.
_Constant = Annotated[
    Any, AfterValidator(_checked_constant), WithJsonSchema({"type": "string", "minLength": 1})
]


class ColumnMapping(Model):
    """A destination column copied from the row."""

    model_config = ConfigDict(title="Column of the row")

    kind: Literal["column"] = Field(
        default="column",
        title="Kind",
        description="Where the value comes from. Optional.",
        json_schema_extra={"order": 0},
    )
    # Not trimmed: it must match the column of the row exactly.
    source: str = Field(
        min_length=1,
        title="Source column",
        description=(
            "The column's name in the source. A dotted name that is not a column is a path into objects and arrays: "
            "address.city, emails.0.value."
        ),
        json_schema_extra={"order": 1, "examples": ["email", "address.city"]},
    )
    destination: Text = _DESTINATION


class ConstantMapping(Model):
    """A destination column with the same value in all rows."""

    model_config = ConfigDict(title="Constant")

    kind: Literal["constant"] = Field(
        default="constant",
        title="Kind",
        description="Where the value comes from. Optional.",
        json_schema_extra={"order": 0},
    )
    value: _Constant = Field(
        title="Value",
        description=(
            "The value of this column in every row, such as an event name. In a configuration written as JSON it may also "
            "be true, false or a number. As unsubscribed and _update, the texts true and false are sent as booleans."
        ),
        json_schema_extra={"order": 1, "examples": ["order_paid"]},
    )
    destination: Text = _DESTINATION


def _kind_of(item: object) -> str | None:
    """The kind of an item; None if it is ambiguous."""
    if not isinstance(item, dict):
        return getattr(item, "kind", None)
    if item.get("kind") is not None:
        return str(item["kind"])
    given = [kind for kind, key in (("column", "source"), ("constant", "value")) if item.get(key) is not None]
    return given[0] if len(given) == 1 else None


FieldMapping = Annotated[
    Annotated[ColumnMapping, Tag("column")] | Annotated[ConstantMapping, Tag("constant")],
    Discriminator(
        _kind_of,
        custom_error_type="column_or_constant",
        custom_error_message="needs either source (a column) or value (a constant)",
    ),
]


class StreamMapping(Model):
    """Maps one stream to a destination object, and its columns to destination columns."""

    model_config = ConfigDict(title="Stream mapping")

    stream_name: Text = Field(
        min_length=1,
        title="Stream",
        description="The stream's name in the source.",
        json_schema_extra={"order": 0, "examples": ["users"]},
    )
    namespace: Text = Field(
        default="",
        title="Namespace",
        description=(
            "The stream's namespace, such as the database schema. If empty, the mapping applies to the stream in every "
            "namespace without a mapping of its own."
        ),
        json_schema_extra={"order": 1, "examples": ["public"]},
    )
    destination_object_name: Text = Field(
        title="Destination object",
        description="What a row of the stream becomes in Customer.io.",
        json_schema_extra={"order": 2, "enum": list(DESTINATION_OBJECTS), "examples": ["person_identify"]},
    )
    field_mappings: tuple[FieldMapping, ...] = Field(
        default=(),
        title="Columns",
        description="Columns to rename, and columns with a constant value.",
        json_schema_extra={"order": 3},
    )
    unmapped_fields: Literal["attributes", "drop"] = Field(
        default="attributes",
        title="Other columns",
        description=(
            "What to do with columns that are neither mapped nor columns of the destination object: send them as "
            "attributes, or drop them."
        ),
        json_schema_extra={"order": 4, "examples": ["attributes"]},
    )
    destination_sync_mode: Literal["connection", "append", "append_dedup", "update", "soft_delete"] = Field(
        default="connection",
        title="Sync mode",
        description=(
            "update, which only person_identify has, updates people who exist in Customer.io and creates nobody. "
            "connection uses the sync mode of the connection."
        ),
        json_schema_extra={"order": 5, "examples": ["update"]},
    )

    def __str__(self) -> str:
        """The stream's name with its namespace, for messages."""
        return f"{self.namespace}.{self.stream_name}" if self.namespace else self.stream_name

    @model_validator(mode="after")
    def _known_object(self) -> StreamMapping:
        if self.destination_object_name not in DESTINATION_OBJECTS:
            raise ValueError(
                f"stream {self} is mapped to {self.destination_object_name or 'nothing'}, which is not a destination object; "
                f"choose one of {', '.join(DESTINATION_OBJECTS)}"
            )
        return self

    @model_validator(mode="after")
    def _known_sync_mode(self) -> StreamMapping:
        modes = sync_modes_of(self.destination_object_name)
        if self.destination_sync_mode not in ("connection", *modes):
            raise ValueError(
                f"stream {self} has the destination_sync_mode {self.destination_sync_mode}, which "
                f"{self.destination_object_name} does not have; choose {' or '.join(modes)}, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _each_destination_once(self) -> StreamMapping:
        if twice := _twice(column.destination for column in self.field_mappings):
            raise ValueError(f"stream {self} has more than one mapping to {', '.join(twice)}; keep one")
        return self


def each_stream_once(mappings: tuple[StreamMapping, ...]) -> tuple[StreamMapping, ...]:
    """Return the mappings unchanged.

    Raises:
        ValueError: a stream is mapped more than once.
    """
    names = {(mapping.namespace, mapping.stream_name): str(mapping) for mapping in mappings}
    if twice := _twice((mapping.namespace, mapping.stream_name) for mapping in mappings):
        raise ValueError(
            f"stream {', '.join(names[key] for key in twice)} is mapped more than once; keep one mapping"
        )
    return mappings


def mapped_columns(mappings: Iterable[StreamMapping]) -> set[str]:
    """The source columns that any of the mappings names."""
    return {
        column.source
        for mapping in mappings
        for column in mapping.field_mappings
        if isinstance(column, ColumnMapping)
    }


def _twice(keys: Iterable[_Key]) -> list[_Key]:
    return [key for key, times in Counter(keys).items() if times > 1]
