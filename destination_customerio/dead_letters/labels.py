"""The label of a file of rejected rows: metadata of its object, never part of its content.

Keys hold the names of streams only in characters that S3 considers safe, and only where the path format has them. The
label has the exact names, and the place of the file among all others: the start of its sync, and its number in it.

Metadata values are ASCII, so names are percent-encoded. S3 allows 2 KB of metadata in total; a file whose names are too
long has no label, as an upload must never fail because of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from destination_customerio.airbyte.catalog import Stream

_MAX_NAMES_BYTES = 1_500


@dataclass(frozen=True, slots=True)
class Label:
    """The label of one file.

    stream, namespace  the stream's exact name; the namespace is "" when it has none
    sync_id            the id of the platform's job
    started_at         start of the sync, milliseconds since 1970
    number             the file's position among those of its sync, from 0
    """

    stream: str
    namespace: str
    sync_id: int
    started_at: int
    number: int

    @classmethod
    def of(cls, stream: Stream, started_at: int, number: int) -> Label:
        """The label of a file of this stream."""
        return cls(stream.name, stream.namespace or "", stream.sync_id, started_at, number)

    def to_metadata(self) -> dict[str, str]:
        """The label as metadata of an object; empty when the names are too long for it."""
        stream, namespace = _quoted(self.stream), _quoted(self.namespace)
        if len(stream) + len(namespace) > _MAX_NAMES_BYTES:
            return {}
        return {
            "stream": stream,
            "namespace": namespace,
            "sync-id": str(self.sync_id),
            "sync-started-at": str(self.started_at),
            "file-number": str(self.number),
        }


def read_label(metadata: Mapping[str, str]) -> Label | None:
    """The label in an object's metadata; None when it is missing or incomplete."""
    try:
        return Label(
            stream=unquote(metadata["stream"], errors="surrogatepass"),
            namespace=unquote(metadata["namespace"], errors="surrogatepass"),
            sync_id=int(metadata["sync-id"]),
            started_at=int(metadata["sync-started-at"]),
            number=int(metadata["file-number"]),
        )
    except (KeyError, ValueError):
        return None


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="surrogatepass")
