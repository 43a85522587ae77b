"""Reads stdin with the CDK's own reader and discards the messages."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from airbyte_cdk.destinations import Destination

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Nothing(Destination):
    """A CDK destination of which only the inherited reader is used."""

    def check(self, logger: object, config: Mapping[str, Any]) -> Any:
        """Never called."""
        raise NotImplementedError

    def write(self, config: Mapping[str, Any], configured_catalog: Any, input_messages: Iterable[Any]) -> Any:
        """Never called."""
        raise NotImplementedError


def main() -> None:
    """Print the number of messages."""
    # Opened as the CDK does for a write.
    stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    print(sum(1 for _ in Nothing()._parse_input_stream(stdin)))


if __name__ == "__main__":
    main()
