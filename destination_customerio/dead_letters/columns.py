"""The names of the columns in files of rejected rows: Airbyte's, the reasons', and the row's own beside them."""

from __future__ import annotations

RAW_ID, EXTRACTED_AT, META, GENERATION_ID, DATA = OUR_COLUMNS = (
    "_airbyte_raw_id",
    "_airbyte_extracted_at",
    "_airbyte_meta",
    "_airbyte_generation_id",
    "_airbyte_data",
)
REJECTED_COLUMNS = ("rejected_reason", "rejected_field", "rejected_message")
_FROM_ROW = "_from_row"


def name_beside_ours(name: str) -> str:
    """The name of a row's column among Airbyte's own. Different names stay different."""
    return name + _FROM_ROW if _stem(name) in OUR_COLUMNS else name


def name_in_row(name: str) -> str:
    """The reverse: what the row itself calls a column that stands among Airbyte's own."""
    return name.removesuffix(_FROM_ROW) if _stem(name) in OUR_COLUMNS else name


def _stem(name: str) -> str:
    while name.endswith(_FROM_ROW):
        name = name.removesuffix(_FROM_ROW)
    return name
