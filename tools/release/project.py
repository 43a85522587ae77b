"""What a release is called: its package, version, owner, and the files that git tracks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# The owner in the repository as long as nobody has published it.
PLACEHOLDER_OWNER = "example-owner"
REPOSITORY = "destination-customerio"
# In addresses of the repository and the image, and in .github/CODEOWNERS.
_OWNED = re.compile(
    rf"(?:(?<=github\.com/)|(?<=ghcr\.io/))[A-Za-z0-9-]+(?=/{REPOSITORY}\b)|(?<=^\* @)[A-Za-z0-9-]+",
    re.MULTILINE,
)


class CheckFailedError(Exception):
    """A release would be wrong; the message says what to do."""


def project() -> dict[str, Any]:
    """The table `[project]` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def owner() -> str:
    """The owner of the repository and the image, from `[project.urls]`."""
    (name,) = _OWNED.findall(project()["urls"]["Repository"])
    return str(name)


def tracked_files() -> list[str]:
    """The paths of all files that git tracks, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - the user's git
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def owners_by_file() -> dict[str, set[str]]:
    """The owners that each tracked file names in addresses of the repository and the image."""
    found: dict[str, set[str]] = {}
    for name in tracked_files():
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        if names := set(_OWNED.findall(text)):
            found[name] = names
    return found


def set_owner(new: str) -> None:
    """Write another owner into every address of the repository and the image, and into CODEOWNERS.

    Raises:
        CheckFailedError: the name can't be part of an image's name.
    """
    if not re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", new):
        raise CheckFailedError(
            f"'{new}' can't own an image: use lower-case letters, digits and single hyphens."
        )
    for name in owners_by_file():
        path = ROOT / name
        path.write_text(_OWNED.sub(new, path.read_text()))


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a program to its end; its output.

    Raises:
        CheckFailedError: with all that it printed.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        shown = " ".join(str(part) for part in command[:4])
        raise CheckFailedError(f"'{shown}' failed with exit code {done.returncode}:\n{done.stdout.strip()}")
    return done.stdout


if __name__ == "__main__":
    try:
        set_owner(*sys.argv[1:])
    except CheckFailedError as error:
        sys.exit(str(error))
