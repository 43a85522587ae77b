"""The two ways in which streams get their objects: in the catalog (data activation), or by `stream_mappings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from integration_tests.connector import Finished, catalog_of, config_for, run_connector, stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WAYS = ("data activation", "stream_mappings")


@dataclass(frozen=True)
class Target:
    """A stream and its object.

    sources  what the rows call a column where `stream_mappings` renames it, by destination column
    more     members of the configured stream
    """

    stream: str
    object_name: str
    sources: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def column(self, way: str, destination: str) -> str:
        """What the rows call a destination column."""
        return self.sources.get(destination, destination) if way == "stream_mappings" else destination

    def mapping(self) -> dict[str, Any]:
        """The stream's part of `stream_mappings`."""
        return {
            "stream_name": self.stream,
            "destination_object_name": self.object_name,
            "field_mappings": [
                {"source": source, "destination": destination} for destination, source in self.sources.items()
            ],
        }


def configured(way: str, targets: Iterable[Target]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and catalog."""
    targets = list(targets)
    if way == "data activation":
        return {}, catalog_of(
            *(stream(target.stream, target.object_name, **target.more) for target in targets)
        )
    settings = {"stream_mappings": [target.mapping() for target in targets]}
    return settings, catalog_of(*(stream(target.stream, **target.more) for target in targets))


def write(way: str, url: str, targets: Iterable[Target], lines: Iterable[bytes], **config: Any) -> Finished:
    """Write these lines."""
    settings, catalog = configured(way, targets)
    return run_connector("write", config_for(url, **settings, **config), catalog, lines)
