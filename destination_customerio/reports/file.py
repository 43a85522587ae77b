"""Writes a report whole or not at all, and finds out before the work begins whether it can be written."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from destination_customerio.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator


class ReportFile:
    """A report that is being made: written beside its place, and moved there when it is whole.

    path   as the command line says it
    place  the same without links
    """

    def __init__(self, path: Path, place: Path, descriptor: int, temporary: Path) -> None:
        self._path = path
        self._place = place
        self._descriptor = descriptor
        self._temporary = temporary

    def write(self, page: str) -> None:
        """Put a page in the report's place.

        Raises:
            ConfigError: there is no room for it.
        """
        try:
            with os.fdopen(os.dup(self._descriptor), "w", encoding="utf-8") as file:
                file.write(page)
            self._temporary.replace(self._place)
        except OSError as error:
            raise _unwritable(self._path, error, "Everything else was done.") from None


@contextlib.contextmanager
def opened_report(path: Path | None) -> Iterator[ReportFile | None]:
    """The file for a report; None if none is asked for. What was not written whole leaves nothing behind.

    Raises:
        ConfigError: the folder does not exist, or no file can be made in it.
    """
    if path is None:
        yield None
        return
    # A link stays, and its target is written. Not Path.resolve(), which raises errors of its own for loops.
    place = Path(os.path.realpath(path))
    try:
        # Moving a report there would replace a device, or fail on a folder.
        if place.exists() and not place.is_file():
            raise ConfigError(
                f"The report can't be written to {path}, as it is not a file. Nothing was done. Choose another file for --report."
            )
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        descriptor, name = tempfile.mkstemp(prefix=".report.", suffix=".html", dir=place.parent)
    except OSError as error:
        raise _unwritable(path, error, "Nothing was done.") from None
    temporary = Path(name)
    try:
        # Readable like any other file that the person makes; mkstemp() keeps it to its owner.
        os.fchmod(descriptor, 0o666 & ~_umask())
        yield ReportFile(path, place, descriptor, temporary)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _unwritable(path: Path, error: OSError, outcome: str) -> ConfigError:
    return ConfigError(
        f"The report can't be written to {path} ({error.strerror}). {outcome} Choose another file for --report."
    )
