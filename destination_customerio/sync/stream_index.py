"""Finds the stream that a message of the input belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.airbyte.messages import StreamKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.sync.stream_sync import StreamSync


class StreamIndex(dict[StreamKey, "StreamSync"]):
    """The streams of a sync by their keys, and by their names where one side leaves out the namespace.

    PyAirbyte's cache sends records and states without the namespace of their stream; other sources send one that the
    catalog leaves out. Such a message belongs to the only stream of its name. Two different namespaces never match.
    """

    def __init__(self, streams: Iterable[StreamSync]) -> None:
        super().__init__({(sync.stream.namespace or "", sync.stream.name): sync for sync in streams})
        self._by_name: dict[str, list[StreamSync]] = {}
        for sync in self.values():
            self._by_name.setdefault(sync.stream.name, []).append(sync)

    def __missing__(self, key: StreamKey) -> StreamSync:
        namespace, name = key
        same_name = self._by_name.get(name, [])
        if len(same_name) == 1 and isinstance(namespace, str):
            (sync,) = same_name
            if not (namespace and sync.stream.namespace):
                return sync
        raise KeyError

    def candidates(self, name: str) -> list[Stream]:
        """The streams with a name; all of them if there are none."""
        return [sync.stream for sync in self._by_name.get(name) or self.values()]
