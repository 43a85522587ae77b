"""Writes a report whole or not at all, and finds out before the work begins whether it can be written."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from destination_customerio.errors import ConfigError


class ReportFile:
    """The place of a report that is being made.

    path   as the command line says it
    place  the same without links
    """

    def __init__(self, path: Path, place: Path) -> None:
        self._path = path
        self._place = place

    def write(self, page: str) -> None:
        """Put a page in the report's place: written beside it, and moved there once it is whole.

        Raises:
            ConfigError: there is no room for it.
        """
        try:
            descriptor, temporary = _made_beside(self._place)
            try:
                # Readable like any other file that the person makes; mkstemp() keeps it to its owner.
                os.fchmod(descriptor, 0o666 & ~_umask())
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(page)
                temporary.replace(self._place)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self._path, error, "Everything else was done.") from None


def report_file(path: Path | None) -> ReportFile | None:
    """The file for a report; None if none is asked for.

    Raises:
        ConfigError: the folder does not exist, or no file can be made in it.
    """
    if path is None:
        return None
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
        # Only to see that one can be made. A signal may end the command before the report, and nothing should be left then.
        descriptor, temporary = _made_beside(place)
        os.close(descriptor)
        temporary.unlink()
    except OSError as error:
        raise _unwritable(path, error, "Nothing was done.") from None
    return ReportFile(path, place)


def _made_beside(place: Path) -> tuple[int, Path]:
    descriptor, name = tempfile.mkstemp(prefix=".report.", suffix=".html", dir=place.parent)
    return descriptor, Path(name)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _unwritable(path: Path, error: OSError, outcome: str) -> ConfigError:
    return ConfigError(
        f"The report can't be written to {path} ({error.strerror}). {outcome} Choose another file for --report."
    )
