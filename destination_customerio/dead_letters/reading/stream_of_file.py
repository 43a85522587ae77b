"""Which stream a file of rejected rows belongs to.

Its label says so exactly (`labels`). Files without one, which an older version or another connector wrote, or
which somebody mended and uploaded anew, are known by their key alone: the configured formats of paths and names are laid
over it. Keys spell names in safe characters only, so `Größe` and `Große` are one there; a name is taken for a stream of the
catalog only when no other stream of it is spelled so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.dead_letters.keys import VARIABLE, bucket_root, clean_levels, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.labels import Label

_EXTENSION = r"(?:\.csv|\.jsonl)?(?:\.gz)?"
_EXTENSION_AT_END = re.compile(r"(?:\{format_extension\}|\.csv|\.jsonl|\.gz)+$")
# What keeps files apart that would have the same key.
_DISTINCTION = r"(?:_[0-9]+){0,2}"
_SHAPES = {
    "namespace": r"(?P<namespace>[^/]+)",
    "stream_name": r"(?P<stream>.+?)",
    "sync_id": "-?[0-9]+",
    "year": "[0-9]{4}",
    "month": "[0-9]{2}",
    "day": "[0-9]{2}",
    "hour": "[0-9]{2}",
    "minute": "[0-9]{2}",
    "second": "[0-9]{2}",
    "millisecond": "[0-9]{4}",
    "epoch": "[0-9]+",
    "uuid": "[0-9a-f-]{36}",
    "date": "[0-9]{4}_[0-9]{2}_[0-9]{2}",
    "timestamp": "[0-9]+",
    "part_number": "[0-9]+",
    "format_extension": _EXTENSION,
}


class Origin(NamedTuple):
    """The stream of a file: its namespace ("" for none) and name, as it is called or as the key spells it."""

    namespace: str
    name: str
    is_exact: bool

    def __str__(self) -> str:
        """The name a person knows the stream by."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name

    def is_called(self, wanted: str) -> bool:
        """Whether a person may mean this stream by a name, with its namespace and a dot before it or without."""
        spelled = wanted if self.is_exact else safe_text(wanted)
        return spelled in (self.name, str(self))


class Origins:
    """Finds the streams of files in a bucket."""

    def __init__(self, storage: S3Storage) -> None:
        self._root = bucket_root(storage)
        self._template = storage.path_format + storage.file_name_format
        self._tells_streams = "{stream_name}" in storage.path_format
        self._any_stream = [_pattern(self._template), _pattern(self._template.replace("{namespace}", ""))]

    def of(self, key: str, label: Label | None) -> Origin | None:
        """The stream as the label says, or as the key spells it; None when neither tells."""
        if label:
            return Origin(label.namespace, label.stream, is_exact=True)
        if not self._tells_streams:
            return None
        for pattern in self._any_stream:
            if found := pattern.fullmatch(self._below(key)):
                groups = found.groupdict()
                return Origin(groups.get("namespace") or "", groups["stream"], is_exact=False)
        return None

    def stream_of(self, key: str, label: Label | None, streams: Iterable[Stream]) -> Stream | None:
        """The stream of the catalog that a file belongs to; None when there is none, or it can't be told which."""
        if label:
            exact = (
                stream
                for stream in streams
                if (stream.namespace or "", stream.name) == (label.namespace, label.stream)
            )
            return next(exact, None)
        if not self._tells_streams:
            return None
        spelled_so = [stream for stream in streams if self._spells(key, stream)]
        return spelled_so[0] if len(spelled_so) == 1 else None

    def _spells(self, key: str, stream: Stream) -> bool:
        # As the writer fills them in; what is safe has no braces, so that no variable can come of a name.
        values = {
            "namespace": (safe_text(stream.namespace) or "_") if stream.namespace else "",
            "stream_name": safe_text(stream.name) or "_",
        }
        filled = VARIABLE.sub(lambda found: values.get(found[1], found[0]), self._template)
        return _pattern(filled).fullmatch(self._below(key)) is not None

    def _below(self, key: str) -> str:
        return key.removeprefix(self._root)


def _pattern(template: str) -> re.Pattern[str]:
    """What keys of this template look like below the bucket path."""
    body = _EXTENSION_AT_END.sub("", clean_levels(template))
    parts = []
    at = 0
    named: set[str] = set()
    for variable in VARIABLE.finditer(body):
        parts.append(re.escape(safe_text(body[at : variable.start()])))
        shape = _SHAPES.get(variable[1], "[^/]*?")  # the latter for dates in a pattern of their own
        parts.append(_unnamed(shape) if variable[1] in named else shape)
        named.add(variable[1])
        at = variable.end()
    parts.append(re.escape(safe_text(body[at:])))
    return re.compile("".join(parts) + _DISTINCTION + _EXTENSION)


def _unnamed(shape: str) -> str:
    """The shape of a variable that stands twice: the same text again, where it is a name."""
    name = re.match(r"\(\?P<(\w+)>", shape)
    return f"(?P={name[1]})" if name else shape
