"""Reads rows from stdin without any Airbyte library."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows_of_stdin() -> Iterator[dict[str, Any]]:
    """The data of each record."""
    for line in sys.stdin.buffer:
        message = orjson.loads(line)
        if message["type"] == "RECORD":
            yield message["record"]["data"]
