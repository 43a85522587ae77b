"""Which stream a file of rejected rows belongs to.

Three things can say it, in this order:

1. The file's label (`labels`), which has the exact name.
2. Its key, where `{stream_name}` is a whole level of `path_format`, as in the default. Levels of the key and of the format
   are compared one by one. Keys spell names in safe characters only, so `Größe` and `Große` look the same there; a stream
   of the catalog is meant only when no other one is spelled like that.
3. The operator, who names one stream of the catalog for files that neither label nor key assigns.

Files without a label were written by an older version or another connector, or somebody edited and uploaded them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from destination_customerio.dead_letters.keys import (
    bucket_root,
    clean_levels,
    folders_format,
    safe_name,
    safe_text,
    short_level,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.storage import S3Storage
    from destination_customerio.dead_letters.labels import Label

_NAMESPACE = "{namespace}"
_STREAM_NAME = "{stream_name}"
# A level of a key that says nothing about the stream.
_ANY = None


class Origin(NamedTuple):
    """The stream of a file: its namespace ("" for none) and name, exact or as the key spells them."""

    namespace: str
    name: str
    is_exact: bool

    @classmethod
    def of(cls, stream: Stream) -> Origin:
        """The exact names of a stream."""
        return cls(stream.namespace or "", stream.name, is_exact=True)

    def __str__(self) -> str:
        """The name a person knows the stream by."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name

    def is_called(self, wanted: str) -> bool:
        """Whether a person may mean this stream by a name, with its namespace and a dot before it or without."""
        spelled = wanted if self.is_exact else safe_text(wanted)
        return spelled in (self.name, str(self))


def stream_named(wanted: str | None, streams: Iterable[Stream]) -> Stream | None:
    """The one stream that the operator names; None for no name, and when it fits no stream or several."""
    if wanted is None:
        return None
    found = [stream for stream in streams if Origin.of(stream).is_called(wanted)]
    return found[0] if len(found) == 1 else None


class Origins:
    """Finds the streams of files in a bucket."""

    def __init__(self, storage: S3Storage) -> None:
        self._root = bucket_root(storage)
        # The last level is a file's name, to which numbers may have been added.
        self._levels = _levels_of(f"{folders_format(storage)}/{storage.file_name_format}")[:-1]

    def of(self, key: str, label: Label | None) -> Origin | None:
        """The stream as the label says, or as the key spells it; None when neither says."""
        if label:
            return Origin(label.namespace, label.stream, is_exact=True)
        folders = self._folders_of(key)
        # The level of the namespace is missing where a stream has none.
        for levels in (self._levels, [level for level in self._levels if level != _NAMESPACE]):
            if _fit(map(_fixed, levels), folders):
                names = dict(zip(levels, folders, strict=True))
                if name := names.get(_STREAM_NAME):
                    return Origin(names.get(_NAMESPACE, ""), name, is_exact=False)
        return None

    def stream_of(
        self, key: str, label: Label | None, streams: Collection[Stream], named: Stream | None = None
    ) -> Stream | None:
        """The stream of the catalog that a file belongs to; None when there is none, or several may be meant.

        Args:
            key: the file's key
            label: its label, if it has one
            streams: the streams of the catalog
            named: the stream that the operator names for files that neither label nor key assigns
        """
        if label:
            exact = Origin(label.namespace, label.stream, is_exact=True)
            return next((stream for stream in streams if Origin.of(stream) == exact), None)
        folders = self._folders_of(key)
        possible = [stream for stream in streams if self._may_hold(folders, stream)]
        if len(possible) == 1:
            return possible[0]
        if possible:
            return named if named in possible else None
        return named if self.of(key, None) is None else None

    def _folders_of(self, key: str) -> list[str]:
        return key.removeprefix(self._root).split("/")[:-1]

    def _may_hold(self, folders: list[str], stream: Stream) -> bool:
        """Whether files of a stream may be in these folders."""
        if _STREAM_NAME not in self._levels:
            return False
        names = {
            _NAMESPACE: safe_name(stream.namespace) if stream.namespace else "",
            _STREAM_NAME: safe_name(stream.name),
        }
        expected: list[str | None] = []
        for level in self._levels:
            # A name with slashes is several levels, a missing namespace none.
            expected += map(short_level, _levels_of(names[level])) if level in names else [_fixed(level)]
        return _fit(expected, folders)


def _levels_of(path: str) -> list[str]:
    return [level for level in clean_levels(path).split("/") if level]


def _fixed(level: str) -> str | None:
    """A level of the format as keys have it; any, if a variable is part of it."""
    return _ANY if "{" in level or "}" in level else safe_text(level)


def _fit(expected: Iterable[str | None], folders: Sequence[str]) -> bool:
    levels = list(expected)
    return len(levels) == len(folders) and all(
        level in (_ANY, folder) for level, folder in zip(levels, folders, strict=True)
    )
