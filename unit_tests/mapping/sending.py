"""An assembler of rows that are all sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.mapping.airbyte_columns import Skipped
from unit_tests.exact_json.raw_rows import raw_row

if TYPE_CHECKING:
    from destination_customerio.exact_json.codec import JsonObject
    from destination_customerio.mapping.assembler import Assembler
    from destination_customerio.mapping.identifiers import Order
    from destination_customerio.mapping.notices import Notice


class Sending:
    """An assembler that fails a test if it skips a row."""

    def __init__(self, assembler: Assembler) -> None:
        self._assembler = assembler

    def assemble(self, data: JsonObject, line: bytes) -> tuple[Order, bytes]:
        """See `Assembler`; the columns of the row may be values."""
        outcome = self._assembler.assemble(raw_row(data), line)
        assert not isinstance(outcome, Skipped)
        order, entry = outcome
        assert isinstance(entry, bytes)
        return order, entry

    def take_notices(self) -> list[Notice]:
        """See `Assembler`."""
        return self._assembler.take_notices()

    def take_closing_notices(self) -> list[Notice]:
        """See `Assembler`."""
        return self._assembler.take_closing_notices()
