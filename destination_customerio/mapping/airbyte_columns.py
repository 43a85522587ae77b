"""Airbyte's own columns, which a row has beside its data when it was loaded by another connection or read by CDC.

`_airbyte_raw_id` and the like come with every load, and differ each time. `_ab_cdc_lsn`, `_ab_source_file_url` and the like
are added by sources. Some warehouses fold names to upper case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from destination_customerio.exact_json.codec import plain
from destination_customerio.mapping.identifiers import is_nobody
from destination_customerio.mapping.visible_text import is_blank, trimmed

if TYPE_CHECKING:
    from destination_customerio.exact_json.codec import JsonObject

# When the row was deleted in the source; null while it exists.
DELETED_AT = "_ab_cdc_deleted_at"
DELETED_AT_FOLDED = DELETED_AT.upper()

_PREFIXES = ("_airbyte_", "_ab_", "_AIRBYTE_", "_AB_")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is not sent although nothing is wrong with it; `reason` is for the log."""

    reason: str


DELETED = Skipped("deleted in the source")
NOT_DELETED = Skipped("not deleted in the source")


def is_airbytes(name: str) -> bool:
    """Whether a column is one of Airbyte's own."""
    return name.startswith(_PREFIXES)


def is_deleted(row: JsonObject) -> bool:
    """Whether a row was deleted in its source."""
    return _is_mark(plain(row.get(DELETED_AT))) or _is_mark(plain(row.get(DELETED_AT_FOLDED)))


def _is_mark(value: Any) -> bool:
    """Whether a value says "deleted"; null may have become a word, such as `None`, on its way."""
    if type(value) is str:
        text = trimmed(value)
        return bool(text) and text.lower() != "false" and not is_nobody(text)
    return not (is_blank(value) or value is False)
