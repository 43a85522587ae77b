"""Stream mappings are read in the short form that people write and in the form's own; what can't work is refused."""

from __future__ import annotations

from typing import Any

import pytest

from destination_customerio.config.loader import parse_config
from destination_customerio.config.stream_mappings import ColumnMapping, ConstantMapping, StreamMapping
from destination_customerio.errors import ConfigError

USERS = {"stream_name": "users", "destination_object_name": "person_identify"}


def mappings(*raw: Any) -> tuple[StreamMapping, ...]:
    """The mappings of a configuration."""
    credentials = {"siteId": "site", "apiKey": "key"}
    return parse_config({"credentials": credentials, "stream_mappings": list(raw)}, {}).stream_mappings


def problem(*raw: Any) -> str:
    """What is wrong with these mappings."""
    with pytest.raises(ConfigError) as caught:
        mappings(*raw)
    message = str(caught.value)
    assert message.endswith("Nothing was written.")
    return message


def columns(*items: Any) -> dict[str, Any]:
    """A mapping with these columns."""
    return {**USERS, "field_mappings": list(items)}


def test_the_short_form_and_the_forms_own_are_read_alike() -> None:
    """`kind` is for the form, which can't draw a choice without it."""
    short = columns(
        {"source": "email", "destination": "person_email"}, {"value": "web", "destination": "origin"}
    )
    drawn = columns(
        {"kind": "column", "source": "email", "destination": "person_email"},
        {"kind": "constant", "value": "web", "destination": "origin"},
    )
    (read,) = mappings(short)
    assert mappings(drawn) == (read,)
    assert read.field_mappings == (
        ColumnMapping(source="email", destination="person_email"),
        ConstantMapping(value="web", destination="origin"),
    )


def test_defaults_and_empty_fields() -> None:
    """A mapping may name the object alone; nulls and empty texts are what forms write for nothing."""
    (read,) = mappings({**USERS, "namespace": None, "field_mappings": None, "unmapped_fields": None})
    assert (read.namespace, read.field_mappings, read.unmapped_fields) == ("", (), "attributes")
    (read,) = mappings(columns({"source": "a", "value": None, "destination": "b"}))
    assert read.field_mappings == (ColumnMapping(source="a", destination="b"),)


def test_a_source_is_spelt_as_the_row_spells_it() -> None:
    """Spaces at the ends of a column's name belong to it; those of a destination come from pasting."""
    (read,) = mappings(columns({"source": " e mail ", "destination": " person_email\n"}))
    assert read.field_mappings == (ColumnMapping(source=" e mail ", destination="person_email"),)


def test_an_unknown_object_is_refused_with_the_valid_ones() -> None:
    """With the stream's name, before the first row."""
    message = problem({**USERS, "namespace": "shop", "destination_object_name": "person"})
    assert "stream shop.users is mapped to person, which is no destination object" in message
    assert "person_identify, person_event" in message


def test_one_destination_is_mapped_once() -> None:
    """A constant takes part in this too."""
    message = problem(
        columns(
            {"source": "email", "destination": "person_email"},
            {"value": "ada@example.com", "destination": "person_email"},
        )
    )
    assert "stream users has two mappings to the column person_email" in message


def test_one_stream_is_mapped_once() -> None:
    """In each namespace, and once for all others."""
    assert "stream users is mapped twice" in problem(USERS, {**USERS, "namespace": ""})
    assert "stream a.users is mapped twice" in problem(
        {**USERS, "namespace": "a"}, {**USERS, "namespace": "a"}
    )
    # A dot in a name is not the dot between namespace and name.
    assert len(mappings(USERS, {**USERS, "namespace": "a"}, {**USERS, "stream_name": "a.users"})) == 3


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"destination": "a"}, "field_mappings.0 needs either source"),
        ({"source": "a", "value": "b", "destination": "c"}, "field_mappings.0 needs either source"),
        ({"kind": "other", "source": "a", "destination": "c"}, "field_mappings.0 needs either source"),
        ("email", "field_mappings.0 needs either source"),
        ({"source": "a"}, "field_mappings.0.destination is missing"),
        ({"source": "a", "destination": " "}, "field_mappings.0.destination is empty"),
        ({"source": "", "destination": "a"}, "field_mappings.0.source is empty"),
        ({"value": 1, "destination": "a"}, "field_mappings.0.value must be text"),
        ({"kind": "constant", "source": "a", "destination": "c"}, "field_mappings.0.value is missing"),
    ],
)
def test_a_column_is_either_a_source_or_a_text(item: Any, words: str) -> None:
    """The key at fault is named as the file spells it."""
    assert words in problem(columns(item))


def test_lists_and_choices_are_named_in_words() -> None:
    """No word of pydantic's own."""
    assert "stream_mappings.0.field_mappings must be a list" in problem({**USERS, "field_mappings": "email"})
    assert "stream_mappings.0 must be an object" in problem("users")
    assert "stream_mappings.0.unmapped_fields must be one of" in problem({**USERS, "unmapped_fields": "keep"})
