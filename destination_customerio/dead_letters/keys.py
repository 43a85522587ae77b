"""The keys of the files of rejected rows: `<bucket_path>/<path_format>/<file_name_format>`.

Variables may be in all three, in any case and with a `$` before them (`{namespace}`, `${NAMESPACE}`). The bucket path up
to its first level with a variable is the root, below which everything is looked for; the other levels are folders.

All times are those of the start of the sync, in UTC, so that the files of a sync are together. Whatever the formats and
the names of streams are:

- No key leaves the bucket path. Characters that S3 does not consider safe become `_` (accents are removed first, as
  letters without them are safe), `//` collapses, and a level that consists of dots only (`..`) becomes underscores.
- No key is in `<bucket_path>/replayed/`, where replayed rows are kept (`replay/replay.py`).
- No key is longer than S3's 1,024 bytes, and no level longer than 255, which stores that keep objects as files can't
  hold: the end of the folders, of a level, or of the name is replaced by a hash.
- No file overwrites another. Within a sync, a key that was used before gets `_1`, `_2`, ... before its extension.
  Across attempts of a sync, the start time makes the keys different; when neither format holds it ({timestamp}, {epoch}
  or {uuid}), it is added to the file's name. So nothing depends on how a store handles conditional writes.

Part numbers count from 0 for each stream.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from destination_customerio.config.storage import GzipCompression, JsonlFormat
from destination_customerio.dead_letters.date_patterns import check_date_pattern, formatted_date
from destination_customerio.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.storage import S3Storage

# The level below the bucket path for replayed rows.
REPLAYED = "replayed"
# The beginning of the name of the check's object; a random part follows. Earlier versions had no more than this.
TEST_NAME = "_check_test"
# Beside the files while a replay runs. The value keeps its first name: older versions look for it.
LEASE_NAME = "_replay_claim"

MAX_KEY_BYTES = 1_024
# The longest bucket path leaves enough room for a shortened folder and a shortened name.
_MAX_PREFIX_BYTES = 512
_MAX_LEVEL_BYTES = 255

_PATH_VARIABLES = (
    "namespace",
    "stream_name",
    "sync_id",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "epoch",
    "uuid",
)
_FILE_VARIABLES = ("date", "timestamp", "part_number", "sync_id", "format_extension")
_TIME_UNIQUE = re.compile(r"\{(?:timestamp|epoch|uuid)\}")
_VARIABLE = re.compile(r"\$?\{([^{}]*)\}")
_TEST_OBJECT = re.compile(TEST_NAME + "(_[0-9a-f]{32})?")
_UNSAFE = re.compile(r"[^A-Za-z0-9/!_.*')(&$@=;:+,?-]")


def bucket_prefix(storage: S3Storage) -> str:
    """The bucket path up to its first level with a variable, without slashes at its ends; may be empty.

    Raises:
        ConfigError: it leaves no room for names.
    """
    prefix, _ = _bucket_levels(storage)
    if len(prefix.encode()) > _MAX_PREFIX_BYTES:
        raise ConfigError(
            f"Invalid configuration: the bucket path is longer than {_MAX_PREFIX_BYTES} bytes, which leaves too little "
            "of S3's limit for the names of files. Nothing was written. Choose a shorter bucket path."
        )
    if any(len(level.encode()) > _MAX_LEVEL_BYTES for level in prefix.split("/")):
        raise ConfigError(
            f"Invalid configuration: a folder of the bucket path is longer than {_MAX_LEVEL_BYTES} bytes, which not every "
            "store can hold. Nothing was written. Choose a shorter bucket path."
        )
    return prefix


def folders_format(storage: S3Storage) -> str:
    """The format of the folders below the root: the rest of the bucket path and the path format, with plain variables."""
    _, rest = _bucket_levels(storage)
    return clean_levels(f"{rest}/{_plain(storage.path_format)}")


def is_test_object(name: str) -> bool:
    """Whether the last level of a key is that of an object of the check."""
    return _TEST_OBJECT.fullmatch(name) is not None


def _bucket_levels(storage: S3Storage) -> tuple[str, str]:
    levels = clean_levels(storage.bucket_path).split("/")
    fixed = next((number for number, level in enumerate(levels) if _VARIABLE.search(level)), len(levels))
    return "/".join(levels[:fixed]), _plain("/".join(levels[fixed:]))


def _plain(template: str) -> str:
    """A format with its variables in lower case and without `$`; the pattern of a date keeps its letters."""

    def one(variable: re.Match[str]) -> str:
        name, colon, pattern = variable[1].partition(":")
        return f"{{{name.lower()}{colon}{pattern}}}"

    return _VARIABLE.sub(one, template)


def bucket_root(storage: S3Storage) -> str:
    """The prefix of the keys of all files: the bucket path and a slash, or nothing.

    Raises:
        ConfigError: as for `bucket_prefix`.
    """
    prefix = bucket_prefix(storage)
    return f"{prefix}/" if prefix else ""


def file_extension(storage: S3Storage) -> str:
    """The value of {format_extension}."""
    extension = ".jsonl" if isinstance(storage.format, JsonlFormat) else ".csv"
    return extension + ".gz" if isinstance(storage.compression, GzipCompression) else extension


class DeadLetterKeys:
    """Makes the object keys of one sync.

    started_at  start of the sync, in UTC
    sync_uuid   the value of {uuid}

    Raises:
        ConfigError: a format has an unknown variable, or the bucket path is too long.
    """

    def __init__(self, storage: S3Storage, started_at: datetime, sync_uuid: UUID) -> None:
        self._root = bucket_root(storage)
        self._started_at = started_at
        self._uuid = str(sync_uuid)
        self._epoch = str(epoch_milliseconds(started_at))
        self._path_format = folders_format(storage)
        self._file_format = _plain(storage.file_name_format)
        self._extension = file_extension(storage)
        formats = self._path_format + self._file_format
        self._mark = "" if _TIME_UNIQUE.search(formats) else f"_{self._epoch}"
        self._parts: Counter[Stream] = Counter()
        self._uses: Counter[str] = Counter()
        _check_variables("bucket_path", storage.bucket_path, _PATH_VARIABLES)
        _check_variables("path_format", storage.path_format, _PATH_VARIABLES)
        _check_variables("file_name_format", storage.file_name_format, _FILE_VARIABLES)

    def next_key(self, stream: Stream) -> str:
        """The key of the stream's next file, unique within the sync."""
        path = _fill(self._path_format, self._path_values(stream))
        name = _fill(self._file_format, self._file_values(stream))
        self._parts[stream] += 1
        whole = safe_text(f"{path}/{name}")
        stem = whole.removesuffix(self._extension)
        extension = whole[len(stem) :]
        stem += self._mark
        key = self._key(stem, extension)
        # A key is returned only on its first use. Each round lengthens the stem, so it soon reaches an unused key.
        while uses := self._uses[key]:
            self._uses[key] += 1
            stem = f"{stem}_{uses}"
            key = self._key(stem, extension)
        self._uses[key] = 1
        return key

    def _key(self, stem: str, extension: str) -> str:
        below = clean_levels(stem + extension)
        if below.startswith(REPLAYED + "/"):
            below = "_" + below
        return self._root + shortened(below, MAX_KEY_BYTES - len(self._root.encode()), extension)

    def _path_values(self, stream: Stream) -> Mapping[str, str]:
        start = self._started_at
        return {
            "namespace": safe_name(stream.namespace) if stream.namespace else "",
            "stream_name": safe_name(stream.name),
            "sync_id": str(stream.sync_id),
            "year": f"{start:%Y}",
            "month": f"{start:%m}",
            "day": f"{start:%d}",
            "hour": f"{start:%H}",
            "minute": f"{start:%M}",
            "second": f"{start:%S}",
            "millisecond": f"{start.microsecond // 1_000:04d}",
            "epoch": self._epoch,
            "uuid": self._uuid,
        }

    def _file_values(self, stream: Stream) -> Mapping[str, str]:
        patterns = {
            name: formatted_date(self._started_at, name.removeprefix("date:"))
            for name in _VARIABLE.findall(self._file_format)
            if name.startswith("date:")
        }
        return {
            "date": f"{self._started_at:%Y_%m_%d}",
            "timestamp": self._epoch,
            "part_number": str(self._parts[stream]),
            "sync_id": str(stream.sync_id),
            "format_extension": self._extension,
            **patterns,
        }


def _check_variables(field: str, template: str, valid: tuple[str, ...]) -> None:
    with_dates = "date" in valid
    for spelled in _VARIABLE.findall(template):
        name = _plain(f"{{{spelled}}}")[1:-1]
        if with_dates and name.startswith("date:"):
            check_date_pattern(name.removeprefix("date:"))
        elif name not in valid:
            choices = ", ".join(f"{{{choice}}}" for choice in valid)
            raise ConfigError(
                f"Invalid configuration: object_storage_config.{field} has an unknown variable {{{spelled}}}. Nothing was written. "
                f"Use these: {choices}" + (", {date:yyyy_MM} and the like." if with_dates else ".")
            )


def _fill(template: str, values: Mapping[str, str]) -> str:
    """Replace the variables once: a stream whose name looks like a variable is a name like any other."""
    return _VARIABLE.sub(lambda variable: values[variable[1]], template)


def safe_text(text: str) -> str:
    """A text in the characters that S3 considers safe."""
    decomposed = unicodedata.normalize("NFKD", text)
    without_marks = "".join(
        character for character in decomposed if not unicodedata.category(character).startswith("M")
    )
    return _UNSAFE.sub("_", without_marks)


def safe_name(name: str) -> str:
    """The name of a stream or a namespace in a key. One that leaves nothing behind is still a level of its own."""
    return safe_text(name) or "_"


def clean_levels(path: str) -> str:
    """A path without empty levels, and without levels that mean "here" or "up"."""
    levels = (level for level in path.split("/") if level)
    return "/".join("_" * len(level) if not level.strip(".") else level for level in levels)


def shortened(path: str, max_bytes: int, extension: str) -> str:
    """A path of safe characters that fits, as do its levels; a hash replaces what is cut off."""
    *folders, name = path.split("/")
    folder = "/".join(map(short_level, folders))
    mark = _hash_of(path)
    if len(name) > _MAX_LEVEL_BYTES:
        name = name[: _MAX_LEVEL_BYTES - len(mark) - len(extension)] + mark + extension
    room = max_bytes - len(name) - 1
    if len(folder) > room:
        parent, slash, last = folder[: room - len(mark)].rstrip("/").rpartition("/")
        folder = f"{parent}{slash}{last[: _MAX_LEVEL_BYTES - len(mark)]}{mark}"
    return f"{folder}/{name}" if folder else name


def short_level(level: str) -> str:
    """A folder's name of safe characters that fits; a hash replaces what is cut off."""
    if len(level) <= _MAX_LEVEL_BYTES:
        return level
    mark = _hash_of(level)
    return level[: _MAX_LEVEL_BYTES - len(mark)] + mark


def _hash_of(text: str) -> str:
    return "_" + hashlib.sha256(text.encode()).hexdigest()[:16]


def epoch_milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970."""
    return int(moment.timestamp()) * 1_000 + moment.microsecond // 1_000
