"""No value of a row survives masking; the names that explain it do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from destination_customerio.dry_run.masking import ShownNames, masked_entry, masked_row
from destination_customerio.exact_json.codec import encode
from destination_customerio.foreign_text import KnownColumns

# Of a stream without a schema.
ANY = ShownNames(KnownColumns.of(()))
SCHEMA = {
    "person_email": {"type": "string"},
    "address": {"type": "object", "properties": {"town": {"type": "string"}}},
    "orders": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
}
DECLARED = ShownNames.of(KnownColumns.of(SCHEMA), SCHEMA)


def test_values_are_masked_at_any_depth() -> None:
    """Texts, numbers and booleans become shapes; only null says nothing about anybody."""
    row = {
        "email": "ada@example.com",
        "age": 42,
        "balance": Decimal("12.50"),
        "vip": True,
        "gone": None,
        "tags": ["blue", {"deep": "secret"}],
    }
    assert masked_row(row, ANY) == {
        "email": "xxx@xxxxxxx.xxx",
        "age": "99",
        "balance": "99.99",
        "vip": "xxxx",
        "gone": None,
        "tags": ["xxxx", {"deep": "xxxxxx"}],
    }


def test_nested_keys_that_look_like_values_are_masked() -> None:
    """A map from people to counts has values for keys."""
    assert masked_row({"counts": {"ada@example.com": 1, "4711": 2, "zip_code": 3}}, ANY) == {
        "counts": {"xxx@xxxxxxx.xxx": "9", "9999": "9", "zip_code": "9"}
    }


def test_an_entry_keeps_the_words_of_the_api_and_the_names_of_attributes() -> None:
    """A reader sees the shape of the request."""
    entry = {
        "type": "person",
        "action": "identify",
        "identifiers": {"email": "ada@example.com"},
        "attributes": {"plan 2024": "pro"},
    }
    assert masked_entry(entry, ANY) == {
        "type": "person",
        "action": "identify",
        "identifiers": {"email": "xxx@xxxxxxx.xxx"},
        "attributes": {"plan 2024": "xxx"},
    }
    assert b"ada" not in encode(masked_entry(entry, ANY))


def test_columns_that_look_like_values_are_masked() -> None:
    """A pivoted table has people for columns."""
    row = {"ada@example.com": 1, "plan": 2}
    assert masked_row(row, ANY) == {"xxx@xxxxxxx.xxx": "9", "plan": "9"}
    assert masked_entry({"attributes": row}, ANY) == {"attributes": {"xxx@xxxxxxx.xxx": "9", "plan": "9"}}


def test_both_booleans_have_the_same_shape() -> None:
    """Even the length of a shape does not say which it was."""
    assert masked_row({"vip": True}, ANY) == masked_row({"vip": False}, ANY)


def test_nested_keys_are_shown_where_the_schema_declares_them() -> None:
    """Any other key may be a value, such as a name of somebody; known words are none."""
    row = {"address": {"town": "Paris", "Ada Lovelace": {"ada": 1}}, "orders": [{"sku": "a1", "email": "x"}]}
    assert masked_row(row, DECLARED) == {
        "address": {"town": "xxxxx", "xxx xxxxxxxx": {"xxx": "9"}},
        "orders": [{"sku": "x9", "email": "x"}],
    }


def test_without_a_schema_only_single_words_are_shown_of_nested_keys() -> None:
    """Somebody's full name is no name of a member."""
    assert masked_row({"scores": {"Ada Lovelace": 1, "total": 2}}, ANY) == {
        "scores": {"xxx xxxxxxxx": "9", "total": "9"}
    }


@pytest.mark.parametrize(
    "holder",
    [
        {"device": {"token": "t1", "attributes": {"ada_l": 1}}},
        {
            "cio_relationships": [
                {"identifiers": {"object_id": "t1"}, "relationship_attributes": {"ada_l": 1}}
            ]
        },
    ],
)
def test_attributes_are_masked_at_any_level_of_an_entry(holder: dict[str, Any]) -> None:
    """A column outside the schema is not shown, whether it is a person's, a device's or a relationship's."""
    shown = encode(masked_entry(holder, DECLARED))
    assert b"ada_l" not in shown
    assert b'"xxx_x":"9"' in shown
    assert b'"x9"' in shown


def test_masked_names_that_look_alike_are_numbered() -> None:
    """No column disappears behind another one."""
    assert masked_row({"11-11-11": 1, "22-22-22": 2, "plan": {"1": 1, "2": 2}}, ANY) == {
        "99-99-99": "9",
        "99-99-99 (2)": "9",
        "plan": {"9": "9", "9 (2)": "9"},
    }


def test_airbytes_own_columns_are_shown() -> None:
    """They are no values, and explain why a row is skipped or deleted."""
    row = {"_ab_cdc_deleted_at": None, "_airbyte_ada@example.com": None}
    assert list(masked_row(row, DECLARED)) == ["_ab_cdc_deleted_at", "_xxxxxxx_xxx@xxxxxxx.xxx"]
