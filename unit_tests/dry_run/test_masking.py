"""No value of a row survives masking; the names that explain it do."""

from __future__ import annotations

from decimal import Decimal

from destination_customerio.dry_run.masking import masked_entry, masked_row
from destination_customerio.exact_json.codec import encode
from destination_customerio.foreign_text import KnownColumns

# Of a stream without a schema.
ANY = KnownColumns.of(())


def test_values_are_masked_at_any_depth() -> None:
    """Texts and numbers become shapes; booleans and null say nothing about anybody."""
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
        "vip": True,
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
