"""Builds the sdist and the wheel, and verifies that they are reproducible and contain what they should."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.release.project import ROOT, CheckFailedError, project, run, tracked_files

PACKAGE = "destination_customerio"
# What the sdist contains besides the package. Hatchling adds .gitignore, because it reads it.
SDIST_EXTRAS = {
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "docs/pypi.md",
    "pyproject.toml",
}
DIST_INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def build(folder: Path) -> tuple[Path, Path]:
    """Build both into an empty folder, from the files that git tracks; the sdist and the wheel.

    Raises:
        CheckFailedError: two builds differ, or a wheel built from the sdist does.
    """
    with TemporaryDirectory() as scratch:
        first, second, unpacked = (Path(scratch) / name for name in ("first", "second", "unpacked"))
        _build(_copy(first, mode=0o644), folder)
        # Other times, permissions and umask: as in another person's clone.
        _build(_copy(second, mode=0o600, modified_at=1_000_000_000), second / "dist")
        sdist, wheel = _only(folder, "*.tar.gz"), _only(folder, "*.whl")
        for path in (sdist, wheel):
            _same(path, second / "dist" / path.name, "two builds of the same files differ")
        with tarfile.open(sdist) as archive:
            archive.extractall(unpacked, filter="data")
        (source,) = unpacked.iterdir()
        _build(source, unpacked / "dist", "wheel")
        _same(wheel, unpacked / "dist" / wheel.name, "the wheel built from the sdist differs")
    return sdist, wheel


def check_contents(sdist: Path, wheel: Path) -> None:
    """Verify that both contain the tracked modules of the package, its metadata and nothing else.

    Raises:
        CheckFailedError: with the files that are missing or don't belong there.
    """
    modules = {name for name in tracked_files() if name.startswith(f"{PACKAGE}/")}
    version = project()["version"]
    stem = f"airbyte_{PACKAGE}-{version}"
    with zipfile.ZipFile(wheel) as zipped:
        _compare(wheel, set(zipped.namelist()), modules | {f"{stem}.dist-info/{name}" for name in DIST_INFO})
    with tarfile.open(sdist) as tarred:
        names = {member.name for member in tarred.getmembers() if member.isfile()}
    _compare(sdist, names, {f"{stem}/{name}" for name in modules | SDIST_EXTRAS})
    if f"{PACKAGE}/py.typed" not in modules:
        raise CheckFailedError(
            f"{PACKAGE}/py.typed is missing: type checkers would ignore the package's types."
        )


def _copy(folder: Path, *, mode: int, modified_at: int | None = None) -> Path:
    """The tracked files in another folder."""
    for name in tracked_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        target.chmod(mode)
        if modified_at is not None:
            os.utime(target, (modified_at, modified_at))
    return folder


def _build(source: Path, folder: Path, *targets: str) -> None:
    chosen = [part for target in targets or ("sdist", "wheel") for part in ("--target", target)]
    # The date of the commit, or hatchling's fixed one: never the time of the build.
    run(sys.executable, "-m", "hatchling", "build", "--directory", folder, *chosen, cwd=source)


def _only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def _same(one: Path, other: Path, complaint: str) -> None:
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, other)]
    if digests[0] != digests[1]:
        raise CheckFailedError(
            f"{one.name}: {complaint} (SHA-256 {digests[0]} and {digests[1]}). Nobody could verify a release."
        )


def _compare(path: Path, found: set[str], expected: set[str]) -> None:
    missing, surplus = sorted(expected - found), sorted(found - expected)
    if missing or surplus:
        raise CheckFailedError(
            f"{path.name} lacks {missing or 'nothing'}, and contains {surplus or 'nothing'} in addition. Correct "
            "[tool.hatch.build.targets] in pyproject.toml."
        )
