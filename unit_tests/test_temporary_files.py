"""Temporary files: small ones need no folder, and a failure says which folder, and what to do."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import resource
import tempfile
from typing import IO, TYPE_CHECKING

import pytest

from destination_customerio.errors import ConfigError, TransientError
from destination_customerio.temporary_files import (
    MEMORY_BYTES_PER_FILE,
    check_temporary_files,
    no_room,
    open_temporary,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def missing_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for temporary files that is gone."""
    folder = tmp_path / "gone"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_what_fits_in_memory_needs_no_folder(missing_folder: Path) -> None:
    """It can be written, compressed and read."""
    with open_temporary() as file:
        file.write(b"x" * MEMORY_BYTES_PER_FILE)
        file.seek(0)
        assert len(file.read()) == MEMORY_BYTES_PER_FILE
    with open_temporary() as file:
        with gzip.GzipFile(fileobj=file, mode="wb") as packed:
            packed.write(b"row" * 100_000)
        file.seek(0)
        assert gzip.GzipFile(fileobj=file).read() == b"row" * 100_000
    assert not missing_folder.exists()


def test_a_folder_that_is_gone_is_named(missing_folder: Path) -> None:
    """Only a person can change that, so it is no reason to try again."""
    with pytest.raises(ConfigError) as caught:
        check_temporary_files()
    assert f"could not be written in {missing_folder} (No such file or directory)" in str(caught.value)
    assert "TMPDIR" in str(caught.value)


def test_a_machine_without_any_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself found none, and says so with an error of its own."""
    monkeypatch.setattr(tempfile, "tempdir", None)

    def none_usable() -> list[str]:
        return ["/proc/none"]

    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", none_usable)
    with pytest.raises(ConfigError, match="There is no writable folder for temporary files"):
        check_temporary_files()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_may_have_room_later(missing_folder: Path, number: int) -> None:
    """Another attempt may succeed; the message names the folder."""
    error = no_room(OSError(number, "x"))
    assert isinstance(error, TransientError)
    assert f"in {missing_folder} ({os.strerror(number)})" in str(error)
    assert "more disk space" in str(error)


def test_too_few_descriptors_are_named_as_such() -> None:
    """More disk space would not help."""
    assert "ulimit -n" in str(no_room(OSError(errno.EMFILE, "x")))


@pytest.fixture
def small_files() -> Iterator[None]:
    """A machine on which no file may be larger than what a temporary file keeps in memory, and one byte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY_BYTES_PER_FILE + 1, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize(
    "act",
    [
        lambda file: file.write(b"x" * MEMORY_BYTES_PER_FILE),
        lambda file: file.seek(0),
        lambda file: file.flush(),
    ],
)
def test_each_method_may_be_the_one_that_fails(act: Callable[[IO[bytes]], object]) -> None:
    """What was buffered may only fail later."""
    file = open_temporary()
    file.write(b"x" * (MEMORY_BYTES_PER_FILE + 1))
    file.write(b"x")
    with pytest.raises(TransientError, match="A file has become too large"):
        act(file)
    with contextlib.suppress(OSError):
        file.close()


def test_the_check_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that works stays empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    check_temporary_files()
    assert list(tmp_path.iterdir()) == []
