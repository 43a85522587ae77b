"""Temporary files, which start in memory: small ones need no folder, and a failure names the folder and what to do."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import IO, TYPE_CHECKING, ParamSpec, TypeVar, cast

from destination_customerio.errors import ConfigError, SyncError, TransientError
from destination_customerio.machine_limits import exceeded_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

_P = ParamSpec("_P")
_T = TypeVar("_T")

MEMORY_BYTES_PER_FILE = 64 * 1024
_RESUMES = "Rows that are acknowledged are delivered or stored; others will be sent again, and no rejected row in the bucket is lost."
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def open_temporary() -> IO[bytes]:
    """A file that starts in memory and moves to an unnamed temporary file once it is larger.

    Its methods raise what `no_room` makes of an OSError.
    """
    # Not "w+b", from which GzipFile would conclude that it can't be read.
    return cast("IO[bytes]", _TemporaryFile(max_size=MEMORY_BYTES_PER_FILE, mode="r+b"))


def check_temporary_files() -> None:
    """Write a temporary file.

    Raises:
        SyncError: this is impossible here.
    """
    with open_temporary() as file:
        file.write(bytes(2 * MEMORY_BYTES_PER_FILE))
        file.flush()


def no_room(error: OSError) -> SyncError:
    """Why a temporary file could not be written, and what to do."""
    if limit := exceeded_limit(error):
        return TransientError(limit.sentences(_RESUMES))
    folder, cause = tempfile.tempdir or "", os.strerror(error.errno or errno.EIO)
    if error.errno in _FULL:
        where = f" in {folder}" if folder else ""
        return TransientError(
            f"A temporary file could not be written{where} ({cause}). {_RESUMES} Provide more disk space there, or set "
            "TMPDIR to a folder with more."
        )
    if folder:
        return ConfigError(
            f"A temporary file could not be written in {folder} ({cause}). {_RESUMES} Make this folder writable, or set "
            "TMPDIR to a writable one."
        )
    return ConfigError(
        f"There is no writable folder for temporary files: neither TMPDIR nor /tmp, /var/tmp or the working directory is "
        f"one, or all are full. {_RESUMES} Mount a writable folder at /tmp, or set TMPDIR to one."
    )


class _TemporaryFile(tempfile.SpooledTemporaryFile[bytes]):
    """Buffers, so each of these methods may be the one that fails."""

    def write(self, data: ReadableBuffer) -> int:
        return _explained(super().write, data)

    def seek(self, *where: int) -> int:
        return _explained(super().seek, *where)

    def flush(self) -> None:
        _explained(super().flush)


def _explained(act: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
    try:
        return act(*arguments, **options)
    except OSError as error:
        raise no_room(error) from None
