"""Runs every check of a release that needs no publishing, prints how long each took, and leaves the release in dist/.

The linters are in a separate environment, .venv/release (`make release-check` installs it).
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tools.release.changelog import section
from tools.release.distributions import build, check_contents
from tools.release.installs import find_python, install, supported_pythons, try_command
from tools.release.project import (
    PLACEHOLDER_OWNER,
    ROOT,
    CheckFailedError,
    owner,
    owners_by_file,
    project,
    run,
)
from tools.release.pyairbyte import is_installed, try_readme
from tools.release.workflows import check_workflows

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(sys.prefix) / "release" / "bin"
DIST = ROOT / "dist"


def main() -> int:
    """Run the checks; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument(
        "--newest",
        action="store_true",
        help="install the newest dependencies, as users do, not the locked ones",
    )
    parser.add_argument(
        "--owner", help="fail unless this account owns the release: a placeholder must not be published"
    )
    parser.add_argument("--tag", help="fail unless this tag is the version's: v and the version")
    options = parser.parse_args()
    started_at = time.monotonic()
    try:
        check(pinned=not options.newest, publisher=options.owner, tag=options.tag)
    except CheckFailedError as error:
        print(f"\nFAILED: {error}")
        return 1
    print(
        f"The release could be published, as far as can be checked here ({time.monotonic() - started_at:.0f} s)."
    )
    if owner() == PLACEHOLDER_OWNER:
        print(f"Before publishing, name its owner in place of {PLACEHOLDER_OWNER}: make owner OWNER=...")
    return 0


def check(*, pinned: bool, publisher: str | None, tag: str | None) -> None:
    """Run each check in turn.

    Raises:
        CheckFailedError: by the first check that failed.
    """
    with step("one owner, one version, and its changelog"):
        check_owner(publisher)
        check_tag(tag)
        section((ROOT / "CHANGELOG.md").read_text(), project()["version"])
    with step("workflows: actionlint, zizmor, schemas"):
        check_workflows(PROGRAMS)
    with step("sdist and wheel: reproducible, complete, valid for the index"):
        for old in (*DIST.glob("*.whl"), *DIST.glob("*.tar.gz")):
            old.unlink()
        sdist, wheel = build(DIST)
        check_contents(sdist, wheel)
        run(PROGRAMS / "twine", "check", "--strict", sdist, wheel)
        run(PROGRAMS / "check-wheel-contents", wheel)
    if is_installed():
        with step("the README's lines for PyAirbyte with the wheel"), TemporaryDirectory() as folder:
            try_readme(f'pip_url="{wheel}"', Path(folder) / "work")
    else:
        print("  skipped  the README's lines for PyAirbyte: make pyairbyte installs it")
    for version in supported_pythons():
        python = find_python(version)
        if python is None:
            print(f"  skipped  Python {version} is not installed here")
            continue
        with step(f"wheel in an empty environment on Python {version}"), TemporaryDirectory() as folder:
            command = install(wheel, python, Path(folder) / "environment", pinned=pinned)
            try_command(command, Path(folder) / "work")


def check_owner(publisher: str | None) -> None:
    """Verify that all addresses of the repository and the image have one owner, and that it is the publisher.

    Raises:
        CheckFailedError: they don't.
    """
    name = owner()
    others = {file for file, names in owners_by_file().items() if names != {name}}
    if others:
        raise CheckFailedError(
            f"{', '.join(sorted(others))}: other owners than {name}. Run: make owner OWNER={name}"
        )
    if publisher is not None and publisher.lower() != name:
        raise CheckFailedError(
            f"The addresses in this repository belong to {name}, but {publisher} is publishing. Nothing was "
            f"published. Run 'make owner OWNER={publisher.lower()}', commit, and tag again."
        )


def check_tag(tag: str | None) -> None:
    """Verify that a tag is the one of this version.

    Raises:
        CheckFailedError: it isn't.
    """
    expected = f"v{project()['version']}"
    if tag is not None and tag != expected:
        raise CheckFailedError(
            f"The tag is {tag}, but pyproject.toml says {expected[1:]}. Nothing was published. Delete the tag, and tag "
            f"the commit that sets the version, as {expected}."
        )


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is checked, and how long it took."""
    started_at = time.monotonic()
    yield
    print(f"  {time.monotonic() - started_at:5.1f} s  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
