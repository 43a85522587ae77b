"""Reads the named columns of a row; all other columns are attributes.

Each method removes its columns from the row, so that the attributes are left, in the row's order. Only these columns are
parsed; the others stay the bytes they came in. The row is a dict that belongs to the connector; the original is its line.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from destination_customerio.errors import Rejection
from destination_customerio.exact_json.codec import (
    JsonObject,
    Oversized,
    limited,
    plain,
    raw_items,
)
from destination_customerio.exact_json.utf8 import is_valid_text
from destination_customerio.mapping import event_ids
from destination_customerio.mapping.identifiers import (
    MERGEABLE_KINDS,
    Identification,
    Identified,
    identified_object,
    identified_person,
    names_nobody,
    required_text,
    segment_id,
)
from destination_customerio.mapping.json_text import json_columns, parse_json_text
from destination_customerio.mapping.limits import (
    MAX_COLUMN_BYTES,
    MAX_EVENT_NAME_BYTES,
    MAX_NESTED_BYTES,
    array_in,
    check_relationship_count,
    oversized,
)
from destination_customerio.mapping.people import person_reader, read_kinds
from destination_customerio.mapping.timestamps import (
    EARLIEST_EVENT,
    TEN_YEARS,
    column_seconds,
    is_extended_iso,
    iso_text,
)
from destination_customerio.mapping.visible_text import is_blank, trimmed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from destination_customerio.airbyte.catalog import Stream

# Tuples, as a broken schema may have a value that is not hashable.
_DATE_FORMATS = ("date", "date-time")
_MAX_EVENT_NAMES = 1_000
_DATE_TYPES = ("date", "timestamp_with_timezone", "timestamp_without_timezone")


@dataclass(frozen=True, slots=True)
class AssemblySettings:
    """How rows become entries, as configured.

    fresh_id      makes an id for the event of a row, given the line that the row came in
    deleted_rows  what to do with rows that were deleted in the source: `skip` or `delete`
    null_values   what to do with null attributes: `send` or `omit`
    wall_clock    unix time: no event is more than ten years ahead of it
    """

    identifier_kind: Identification
    event_id_strategy: str
    convert_timestamps: bool
    fresh_id: Callable[[bytes], str]
    deleted_rows: str = "skip"
    null_values: str = "send"
    wall_clock: Callable[[], float] = time.time


class Columns:
    """Reads the named columns of the rows of one stream.

    person      reads the order key and the `identifiers` of the person a row is about
    dates       the columns that the schema declares as dates, if the configuration asks for their conversion
    unreadable  how many values of each column could not be converted
    """

    def __init__(self, stream: Stream, settings: AssemblySettings, *, keeps_identifiers: bool = True) -> None:
        self.person = person_reader(
            settings.identifier_kind, stream.properties, keeps_identifiers=keeps_identifiers
        )
        self.dates = _date_columns(stream) if settings.convert_timestamps else ()
        self.unreadable: Counter[str] = Counter()
        # A stream has few names of events; each is checked once.
        self._event_names: dict[str, str] = {}
        self._json_columns = json_columns(stream.properties)
        self._people = {kind.column: kind.name for kind in settings.identifier_kind.alternatives}
        self._removed_columns = [kind.column for kind in read_kinds(settings.identifier_kind)]
        self._created_at_is_a_date = "created_at" in self.dates
        # A sync is short compared to ten years, so its start is "now".
        self._latest_event = int(settings.wall_clock()) + TEN_YEARS

    def people(self, data: JsonObject) -> list[Identified]:
        """The people whom a row names in its column for the person, which may hold an array.

        Where several columns may do so, the first that the row has identifies all of them.
        """
        given = {column: self._items(data, column) for column in self._removed_columns if column in data}
        first = next(
            (
                name
                for name in self._people
                if not all(names_nobody(plain(value)) for value in given.get(name, ()))
            ),
            None,
        )
        if first is None:
            return [self.person({column: values[0] for column, values in given.items()})]
        kind = self._people[first]
        return _each(first, given[first], lambda value: identified_person(plain(value), kind, first))

    def merged_person(self, data: JsonObject, side: str) -> Identified:
        """A merge's `primary` or `secondary`, from one of three columns."""
        columns = {f"{side}_{kind}": kind for kind in MERGEABLE_KINDS}
        given = {column: value for column in columns if not is_blank(value := plain(data.pop(column, None)))}
        if len(given) != 1:
            reason, names = ("invalid", list(given)) if given else ("required", list(columns))
            raise Rejection(
                reason, names[0], f"Exactly one of {', '.join(columns)} must identify the person."
            )
        ((column, value),) = given.items()
        return identified_person(value, columns[column], column)

    def object(self, data: JsonObject) -> Identified:
        """The object a row is about."""
        return identified_object(plain(data.pop("object_type_id", None)), plain(data.pop("object_id", None)))

    def objects(self, data: JsonObject) -> list[Identified]:
        """The objects of one type that a row names in `object_id`, which may hold an array."""
        type_id = data.pop("object_type_id", None)
        return _each(
            "object_id",
            self._items(data, "object_id"),
            lambda value: self.object({"object_type_id": type_id, "object_id": value}),
        )

    def _items(self, data: JsonObject, column: str) -> list[Any]:
        """The items of a column that may hold an array, or its JSON text if the schema types it as one."""
        if column in self._json_columns:
            parse_json_text(data, (column,))
        value = data.pop(column, None)
        if (array := array_in(value)) is None:
            return [value]
        items = raw_items(array)
        if not items:
            return [None]  # it names nobody, as a column that is missing
        check_relationship_count(column, items)
        return [limited(item, MAX_NESTED_BYTES, MAX_COLUMN_BYTES) for item in items]

    def text(self, data: JsonObject, column: str) -> str:
        """Required text, trimmed; a number as its exact digits."""
        return required_text(plain(data.pop(column, None)), column)

    def choice(self, data: JsonObject, column: str, choices: tuple[str, ...]) -> str:
        """Required text that is one of the choices, in any case."""
        value = self.text(data, column).lower()
        if value not in choices:
            raise Rejection("invalid", column, f"{column} must be one of {', '.join(choices)}.")
        return value

    def segment_id(self, data: JsonObject) -> str:
        """The id of a manual segment: a whole number, which may be text."""
        return segment_id(plain(data.pop("segment_id", None)))

    def event_name(self, data: JsonObject, column: str) -> str:
        """The event's name, trimmed, 1 to 100 bytes."""
        value = _taken(data, column)
        if type(value) is not str or (name := self._event_names.get(value)) is None:
            name = self._checked_event_name(value, column)
            if len(self._event_names) < _MAX_EVENT_NAMES and len(value) <= MAX_EVENT_NAME_BYTES:
                self._event_names[value] = name
        return name

    def _checked_event_name(self, value: Any, column: str) -> str:
        name = trimmed(value) if type(value) is str else ""
        if not name:
            if is_blank(value):
                raise Rejection("required", column, f"{column} is missing or blank.")
            raise Rejection("invalid", column, f"{column} must be text.")
        if not (name.isascii() or is_valid_text(name)):
            raise Rejection("invalid", column, f"{column} must be text.")
        if len(name.encode()) > MAX_EVENT_NAME_BYTES:
            raise Rejection("too_large", column, f"{column} is longer than {MAX_EVENT_NAME_BYTES} bytes.")
        return name

    def event_id(self, data: JsonObject, event_name: str) -> str | None:
        """The ULID of the row's own event id, if it has one."""
        value = _taken(data, "event_id")
        if value is None:
            return None
        return event_ids.from_column(value, event_name) if event_ids.is_given(value) else None

    def timestamp(self, data: JsonObject, column: str) -> int | None:
        """When something happened, in unix seconds; None when the row doesn't say.

        Customer.io would silently replace a time that it can't read with "now", so those are rejected; so is a time when
        nothing can have happened, as it comes from a number that is no time, or is a placeholder for none.
        """
        value = data.pop(column, None)
        if type(value) is Oversized:
            raise oversized(column)
        try:
            seconds = column_seconds(value)
            is_valid = seconds is None or EARLIEST_EVENT <= seconds <= self._latest_event
        except (ValueError, ArithmeticError):
            seconds = None
            is_valid = is_blank(plain(value))
        if not is_valid:
            raise Rejection(
                "invalid",
                column,
                f"{column} is not a valid timestamp: use unix time, ISO 8601 or RFC 2822, without zone names, between 1980 "
                "and ten years from now.",
            )
        return seconds

    def created_at(self, data: JsonObject) -> None:
        """Convert the one attribute for which Customer.io requires a format: unix seconds."""
        # Dates are converted anyway, and converting them twice could misread the result of the first time.
        if not self._created_at_is_a_date:
            self.convert(data, "created_at")

    def convert_dates(self, data: JsonObject) -> None:
        """Convert the attributes that are dates, as by `convert`."""
        for column in self.dates:
            self.convert(data, column)

    def convert(self, data: JsonObject, column: str) -> None:
        """Convert one attribute to unix seconds in place.

        What can't be read is left as it is, and counted. A time before 1970 is ISO text, as Customer.io knows no negative
        times.
        """
        value = data.get(column)
        try:
            seconds = column_seconds(value)
            if seconds is None:
                return
            if seconds >= 0:
                data[column] = seconds
            elif not is_extended_iso(plain(value)):
                data[column] = iso_text(seconds)
        except (ValueError, OverflowError):  # OverflowError: in UTC, before the first day of the calendar
            if not is_blank(plain(value)):
                self.unreadable[column] += 1


def _taken(data: JsonObject, column: str) -> Any:
    """The value of a named column, which is removed from the row."""
    value = plain(data.pop(column, None))
    if type(value) is Oversized:
        raise oversized(column)
    return value


def _each(column: str, values: Sequence[Any], read: Callable[[Any], Identified]) -> list[Identified]:
    """What is read from each of several values; a rejection says which one is at fault."""
    found = []
    for number, value in enumerate(values, 1):
        try:
            found.append(read(value))
        except Rejection as rejection:
            if len(values) == 1 or rejection.field != column:
                raise
            message = f"{column}, item {number}: {rejection.message}"
            raise Rejection(rejection.reason, column, message) from None
    return found


def _date_columns(stream: Stream) -> tuple[str, ...]:
    """The columns that the schema declares as date or date-time; never guessed from their content."""
    return tuple(name for name, schema in stream.properties.items() if _is_date(schema))


def _is_date(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    if schema.get("format") in _DATE_FORMATS or schema.get("airbyte_type") in _DATE_TYPES:
        return True
    options = schema.get("oneOf") or schema.get("anyOf") or []
    return isinstance(options, list) and any(_is_date(option) for option in options)
