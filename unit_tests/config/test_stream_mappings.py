"""Stream mappings are parsed with and without `kind`, and invalid ones are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from destination_customerio.config.loader import parse_config
from destination_customerio.config.stream_mappings import ColumnMapping, ConstantMapping, StreamMapping
from destination_customerio.errors import ConfigError
from destination_customerio.exact_json.codec import encode, parse

USERS = {"stream_name": "users", "destination_object_name": "person_identify"}


def mappings(*raw: Any) -> tuple[StreamMapping, ...]:
    """The parsed stream mappings of a configuration."""
    credentials = {"siteId": "site", "apiKey": "key"}
    return parse_config({"credentials": credentials, "stream_mappings": list(raw)}, {}).stream_mappings


def problem(*raw: Any) -> str:
    """The message of the error that these mappings raise."""
    with pytest.raises(ConfigError) as caught:
        mappings(*raw)
    message = str(caught.value)
    assert message.endswith("Nothing was written.")
    return message


def columns(*items: Any) -> dict[str, Any]:
    """A stream mapping with these field mappings."""
    return {**USERS, "field_mappings": list(items)}


def test_kind_is_optional() -> None:
    """Only Airbyte's form needs `kind`, to distinguish the options."""
    short = columns(
        {"source": "email", "destination": "person_email"}, {"value": "web", "destination": "origin"}
    )
    explicit = columns(
        {"kind": "column", "source": "email", "destination": "person_email"},
        {"kind": "constant", "value": "web", "destination": "origin"},
    )
    (parsed,) = mappings(short)
    assert mappings(explicit) == (parsed,)
    assert parsed.field_mappings == (
        ColumnMapping(source="email", destination="person_email"),
        ConstantMapping(value="web", destination="origin"),
    )


@pytest.mark.parametrize("value", [True, False, 0, 1, 10**30, 1.5, "true", " x "])
def test_a_constant_keeps_its_type(value: Any) -> None:
    """Text is not trimmed, and numbers and booleans are no text."""
    (parsed,) = mappings(columns({"value": value, "destination": "a"}))
    (constant,) = parsed.field_mappings
    assert isinstance(constant, ConstantMapping)
    assert (constant.value, type(constant.value)) == (value, type(value))


def test_defaults_and_empty_fields() -> None:
    """Only the stream and the object are required; null and empty mean not set."""
    (parsed,) = mappings({**USERS, "namespace": None, "field_mappings": None, "unmapped_fields": None})
    assert (parsed.namespace, parsed.field_mappings, parsed.unmapped_fields) == ("", (), "attributes")
    (parsed,) = mappings(columns({"source": "a", "value": None, "destination": "b"}))
    assert parsed.field_mappings == (ColumnMapping(source="a", destination="b"),)


def test_a_source_column_is_not_trimmed() -> None:
    """Whitespace is part of a source column's name; in a destination it comes from pasting."""
    (parsed,) = mappings(columns({"source": " e mail ", "destination": " person_email\n"}))
    assert parsed.field_mappings == (ColumnMapping(source=" e mail ", destination="person_email"),)


def test_an_unknown_object_is_refused() -> None:
    """The message names the stream and lists the valid objects."""
    message = problem({**USERS, "namespace": "shop", "destination_object_name": "person"})
    assert "stream shop.users is mapped to person, which is not a destination object" in message
    assert "person_identify, person_event" in message


def test_a_destination_column_is_mapped_at_most_once() -> None:
    """Constants count too."""
    message = problem(
        columns(
            {"source": "email", "destination": "person_email"},
            {"value": "ada@example.com", "destination": "person_email"},
        )
    )
    assert "stream users has more than one mapping to person_email" in message


def test_a_stream_is_mapped_at_most_once() -> None:
    """That is, once per namespace and once for all other namespaces."""
    assert "stream users is mapped more than once" in problem(USERS, {**USERS, "namespace": ""})
    assert "stream a.users is mapped more than once" in problem(
        {**USERS, "namespace": "a"}, {**USERS, "namespace": "a"}
    )
    # A dot in a name is not the separator between namespace and name.
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
        ({"value": "", "destination": "a"}, "field_mappings.0.value is empty"),
        ({"value": {}, "destination": "a"}, "field_mappings.0.value: must be text, true, false or a number"),
        ({"value": [1], "destination": "a"}, "field_mappings.0.value: must be text, true, false or a number"),
        ({"value": math.inf, "destination": "a"}, "field_mappings.0.value: must be text, true, false or a n"),
        ({"kind": "constant", "source": "a", "destination": "c"}, "field_mappings.0.value is missing"),
    ],
)
def test_a_field_mapping_is_either_a_source_or_a_constant(item: Any, words: str) -> None:
    """The message names the key as spelled in the file."""
    assert words in problem(columns(item))


@pytest.mark.parametrize("number", ["12345678901234567.89", "-0.0", "1e21", "18446744073709551617", "0"])
def test_a_constant_may_be_any_number(number: str) -> None:
    """With all its digits, as the file has it."""
    (mapping,) = mappings(
        {**USERS, "field_mappings": [{"value": parse(number.encode()), "destination": "a"}]}
    )
    (constant,) = mapping.field_mappings
    assert isinstance(constant, ConstantMapping)
    assert encode(constant.value) == encode(parse(number.encode()))


def test_messages_for_lists_and_choices_are_in_plain_words() -> None:
    """None of them uses pydantic's wording."""
    assert "stream_mappings.0.field_mappings must be a list" in problem({**USERS, "field_mappings": "email"})
    assert "stream_mappings.0 must be an object" in problem("users")
    assert "stream_mappings.0.unmapped_fields must be one of" in problem({**USERS, "unmapped_fields": "keep"})


@pytest.mark.parametrize(
    ("object_name", "mode", "choices"),
    [
        ("person_event", "update", "append"),
        ("object_identify", "update", "append_dedup"),
        ("person_identify", "soft_delete", "append_dedup or update"),
    ],
)
def test_a_sync_mode_that_the_object_does_not_have_is_refused(
    object_name: str, mode: str, choices: str
) -> None:
    """The sentence names the ones that it has."""
    mapping = {"stream_name": "s", "destination_object_name": object_name, "destination_sync_mode": mode}
    config = {"credentials": {"siteId": "s", "apiKey": "k"}, "stream_mappings": [mapping]}
    with pytest.raises(ConfigError) as caught:
        parse_config(config, {})
    assert (
        f"stream s has the destination_sync_mode {mode}, which {object_name} does not have; choose {choices}, or leave it out"
        in str(caught.value)
    )
