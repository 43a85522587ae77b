"""The configuration of stream mappings: for platforms and clients whose catalog says nothing of destination objects.

A column of a mapping comes from the row (`source`) or is the same in all rows (`value`). Airbyte's form draws a choice
only by a constant, so both have a `kind`; whoever writes the configuration by hand may leave it out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from destination_customerio.config.fields import Model, Text
from destination_customerio.mapping.objects import DESTINATION_OBJECTS

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


class ColumnMapping(Model):
    """A destination column that comes from the row."""

    model_config = ConfigDict(title="A column of the row")

    kind: Literal["column"] = Field(
        default="column",
        title="Kind",
        description="Where the value comes from. It may be left out.",
        json_schema_extra={"order": 0},
    )
    # Not trimmed: it is spelt exactly as the row spells it.
    source: str = Field(
        min_length=1,
        title="Source column",
        description=(
            "The column as the source calls it. A name with dots that is no column reaches into objects: address.city."
        ),
        json_schema_extra={"order": 1, "examples": ["email", "address.city"]},
    )
    destination: Text = _DESTINATION


class ConstantMapping(Model):
    """A destination column that is the same in all rows."""

    model_config = ConfigDict(title="The same text in every row")

    kind: Literal["constant"] = Field(
        default="constant",
        title="Kind",
        description="Where the value comes from. It may be left out.",
        json_schema_extra={"order": 0},
    )
    value: str = Field(
        min_length=1,
        title="Text",
        description="The text that every row gets in this column, such as an event's name.",
        json_schema_extra={"order": 1, "examples": ["order_paid"]},
    )
    destination: Text = _DESTINATION


def _kind_of(item: object) -> str | None:
    """Which kind an item is of; None when it does not tell, or tells both."""
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
        custom_error_message="needs either source, the name of a column, or value, a text for all rows",
    ),
]


class StreamMapping(Model):
    """Where the rows of one stream go, and under which names."""

    model_config = ConfigDict(title="Stream mapping")

    stream_name: Text = Field(
        min_length=1,
        title="Stream",
        description="The name of the stream, as the source calls it.",
        json_schema_extra={"order": 0, "examples": ["users"]},
    )
    namespace: Text = Field(
        default="",
        title="Namespace",
        description=(
            "The stream's namespace, such as the database schema. Left empty, the mapping is for the stream in every "
            "namespace that has no mapping of its own."
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
        description="The columns that are called otherwise in Customer.io, and those that are the same in all rows.",
        json_schema_extra={"order": 3},
    )
    unmapped_fields: Literal["attributes", "drop"] = Field(
        default="attributes",
        title="Other columns",
        description=(
            "What becomes of columns that are neither mapped nor called like one of the destination object's own: they "
            "pass as attributes, or they are not sent."
        ),
        json_schema_extra={"order": 4, "examples": ["attributes"]},
    )

    def __str__(self) -> str:
        """The name a person knows the stream by."""
        return f"{self.namespace}.{self.stream_name}" if self.namespace else self.stream_name

    @model_validator(mode="after")
    def _known_object(self) -> StreamMapping:
        if self.destination_object_name not in DESTINATION_OBJECTS:
            raise ValueError(
                f"stream {self} is mapped to {self.destination_object_name or 'nothing'}, which is no destination object; "
                f"choose one of {', '.join(DESTINATION_OBJECTS)}"
            )
        return self

    @model_validator(mode="after")
    def _each_destination_once(self) -> StreamMapping:
        if twice := _twice(column.destination for column in self.field_mappings):
            raise ValueError(
                f"stream {self} has two mappings to the column {' and to '.join(twice)}; keep one of them"
            )
        return self


def each_stream_once(mappings: tuple[StreamMapping, ...]) -> tuple[StreamMapping, ...]:
    """The mappings as they are.

    Raises:
        ValueError: two are for one stream.
    """
    names = {(mapping.namespace, mapping.stream_name): str(mapping) for mapping in mappings}
    if twice := _twice((mapping.namespace, mapping.stream_name) for mapping in mappings):
        raise ValueError(f"stream {', '.join(names[key] for key in twice)} is mapped twice; keep one of them")
    return mappings


def _twice(keys: Iterable[_Key]) -> list[_Key]:
    return [key for key, times in Counter(keys).items() if times > 1]
