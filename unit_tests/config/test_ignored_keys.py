"""Keys without effect are named, with the key that was probably meant."""

from __future__ import annotations

from typing import Any

import pytest

from destination_customerio.config.ignored_keys import ignored_key_lines
from destination_customerio.config.loader import parse_config

CREDENTIALS = {"siteId": "site", "apiKey": "key"}
MAPPING = {"stream_name": "users", "destination_object_name": "person_identify"}


def warning(**settings: Any) -> str:
    """The warning about a configuration; "" if there is none."""
    return "".join(ignored_key_lines(parse_config({"credentials": CREDENTIALS, **settings}, {})))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"identifiertype": "id"}, "identifiertype (perhaps identifierType)"),
        ({"REGION": "eu"}, "REGION (perhaps region)"),
        ({"allow_destructive": True}, "allow_destructive (perhaps allow_destructive_operations)"),
        ({"track_api": ""}, "track_api (perhaps track_api_url)"),
        ({"notes": "ours"}, "notes."),
        ({"credentials": {**CREDENTIALS, "appKey": "k"}}, "credentials.appKey (perhaps apiKey)"),
        (
            {"object_storage_config": {"storage_type": "None", "bucket_path": "p"}},
            "object_storage_config.bucket_path",
        ),
        (
            {"stream_mappings": [MAPPING, {**MAPPING, "stream_name": "b", "field_mapping": []}]},
            "stream_mappings.1.field_mapping (perhaps field_mappings)",
        ),
        (
            {
                "stream_mappings": [
                    {**MAPPING, "field_mappings": [{"value": 1, "destination": "plan", "sorce": "a"}]}
                ]
            },
            "stream_mappings.0.field_mappings.0.sorce",
        ),
    ],
)
def test_a_key_without_effect_is_named_at_any_depth(settings: dict[str, Any], named: str) -> None:
    """A setting that is misspelled would otherwise seem to be on."""
    text = warning(**settings)
    assert text.startswith("1 key of the configuration has no effect: ")
    assert named in text


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"identifierType": "id", "region": None, "unknown": None},
        {"identifier_type": "id"},
        {"stream_mappings": [{**MAPPING, "field_mappings": [{"source": "a", "destination": "plan"}]}]},
    ],
)
def test_known_and_empty_keys_cause_no_warning(settings: dict[str, Any]) -> None:
    """Null means that a form left the field empty."""
    assert not warning(**settings)


def test_neither_values_nor_keys_that_look_like_one_are_shown() -> None:
    """Whatever was pasted where a key belongs does not get into the log."""
    text = warning(**{"ada@example.com": "s3cret", "1234567890": "x"})
    assert text.startswith("2 keys of the configuration have no effect: …, …. ")


def test_a_long_list_is_cut() -> None:
    """A configuration of another product has nothing but unknown keys."""
    text = warning(**{f"setting {number}": 1 for number in range(25)})
    assert "25 keys" in text
    assert "setting 19 and 5 more. " in text
