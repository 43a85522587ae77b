"""The configured catalog: which streams the sync writes, and to which objects."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from destination_customerio.errors import ProtocolError
from destination_customerio.exact_json.broken import where_broken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """A configured stream. Compared by identity, so streams that differ only in namespace are distinct.

    object_name     the catalog's `destination_object_name`; None before data activation
    destination_sync_mode
                    in lower case; "" if absent
    primary_key     the paths of the columns of its key; none if the catalog has no usable one
    properties      the top-level properties of the stream's JSON schema, in schema order
    sync_id, generation_id
                    the platform's job id and the table's generation id; 0 if absent
    """

    name: str
    namespace: str | None = None
    object_name: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    sync_id: int = 0
    generation_id: int = 0
    destination_sync_mode: str = ""
    primary_key: tuple[tuple[str, ...], ...] = ()

    def __str__(self) -> str:
        """The name for messages: `namespace.name`, or the name alone if there is no namespace."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name


class _Stream(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    namespace: str | None = None
    json_schema: dict[str, Any] = {}


class _ConfiguredStream(BaseModel):
    model_config = ConfigDict(extra="ignore")
    stream: _Stream
    destination_object_name: str | None = None
    sync_id: int | None = None
    generation_id: int | None = None
    destination_sync_mode: Any = None
    primary_key: Any = None


class _ConfiguredCatalog(BaseModel):
    model_config = ConfigDict(extra="ignore")
    streams: list[_ConfiguredStream]


def read_catalog(path: Path) -> list[Stream]:
    """Read a ConfiguredAirbyteCatalog from a JSON file.

    Raises:
        ProtocolError: the file can't be read, or is not a configured catalog.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ProtocolError(
            f"The catalog file {path} could not be read ({error.strerror}). Nothing was written. "
            "Check the path given with --catalog, and that the container can read it."
        ) from None
    return parse_catalog(text)


def parse_catalog(text: bytes) -> list[Stream]:
    """Parse a ConfiguredAirbyteCatalog; see `read_catalog`."""
    text = text.removeprefix(BOM_UTF8)
    try:
        configured = _ConfiguredCatalog.model_validate_json(text).streams
    except ValidationError:
        if where := where_broken(text):
            raise ProtocolError(
                f"The catalog given with --catalog is not valid JSON ({where}). Nothing was written."
            ) from None
        raise ProtocolError(
            "The catalog given with --catalog is not a configured Airbyte catalog: it needs a list `streams`, "
            "each with a `stream` that has a `name`. Nothing was written."
        ) from None
    streams = [_stream(entry) for entry in configured]
    times = Counter((stream.namespace, stream.name) for stream in streams)
    for stream in streams:
        if times[stream.namespace, stream.name] > 1:
            raise ProtocolError(
                f"The catalog lists the same stream twice: {stream}. Nothing was written. Keep one entry for each stream."
            )
    return streams


def _stream(entry: _ConfiguredStream) -> Stream:
    properties = entry.stream.json_schema.get("properties")
    sync_mode = entry.destination_sync_mode
    return Stream(
        name=entry.stream.name,
        namespace=entry.stream.namespace or None,
        object_name=entry.destination_object_name or None,
        properties=properties if isinstance(properties, dict) else {},
        sync_id=entry.sync_id or 0,
        generation_id=entry.generation_id or 0,
        destination_sync_mode=sync_mode.strip().lower() if isinstance(sync_mode, str) else "",
        primary_key=_paths(entry.primary_key),
    )


def _paths(key: Any) -> tuple[tuple[str, ...], ...]:
    """A key as the protocol has it, a list of paths, each a list of names; a path may be a name."""
    paths = [path if isinstance(path, list) else [path] for path in key] if isinstance(key, list) else []
    return tuple(tuple(path) for path in paths if path and all(isinstance(name, str) for name in path))
