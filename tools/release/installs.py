"""Installs the wheel into empty environments and runs the command that it brings, on every supported Python found here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from integration_tests.connector import catalog_of, config_for, record, stream, stream_state
from tools.local_track_api import LocalTrackApi
from tools.release.project import ROOT, CheckFailedError, project, run

_CLASSIFIER = "Programming Language :: Python :: 3."
_UV = Path(sys.executable).parent / "uv"


def supported_pythons() -> list[str]:
    """The Pythons in the classifiers, such as 3.11."""
    return [
        f"3.{line.removeprefix(_CLASSIFIER)}"
        for line in project()["classifiers"]
        if line.startswith(_CLASSIFIER)
    ]


def find_python(version: str) -> Path | None:
    """An interpreter of this version: on PATH, or installed by pyenv. None if there is none."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = shutil.which(name)
    for candidate in (*([Path(on_path)] if on_path else []), *sorted(pyenv.glob(f"{version}.*/bin/{name}"))):
        # pyenv puts scripts on PATH for versions that are not enabled; they fail.
        done = subprocess.run([candidate, "-c", ""], check=False, capture_output=True)
        if done.returncode == 0:
            return candidate
    return None


def install(wheel: Path, python: Path, folder: Path, *, pinned: bool = True) -> Path:
    """Install the wheel into a new environment without anything else; the path of the command.

    pinned  the dependencies at the versions in locks/connector.lock, which the tests ran with; otherwise the newest ones,
            which a user gets
    """
    run(_UV, "venv", "--quiet", "--clear", "--python", python, folder)
    constraints = ["--constraint", ROOT / "locks" / "connector.lock"] if pinned else ["--upgrade"]
    run(_UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *constraints, wheel)
    return folder / "bin" / "destination-customerio"


def try_command(command: Path, folder: Path) -> None:
    """Run the installed command from an empty folder: version, spec, check, and a sync of two rows.

    Raises:
        CheckFailedError: an answer isn't what it should be.
    """
    folder.mkdir()
    version = project()["version"]
    _expect(run(command, "--version", cwd=folder).strip() == version, "--version prints another version")
    _expect(
        '"type":"SPEC"' in run(command, "spec", cwd=folder).replace(" ", ""), "spec prints no specification"
    )
    run(command.parent / "python", "-c", "import destination_customerio.cdk", cwd=folder)
    with LocalTrackApi() as api:
        (folder / "config.json").write_text(json.dumps(config_for(api.url)))
        (folder / "catalog.json").write_text(json.dumps(catalog_of(stream("users", "person_identify"))))
        checked = run(command, "check", "--config", "config.json", cwd=folder)
        _expect('"SUCCEEDED"' in checked, "check did not succeed")
        rows: list[dict[str, Any]] = [
            {"person_email": "ada@example.com", "name": "Ada"},
            {"person_email": None},
        ]
        lines = [*(record("users", row) for row in rows), stream_state("users", 2)]
        done = subprocess.run(
            [command, "write", "--config", "config.json", "--catalog", "catalog.json"],
            cwd=folder,
            input=b"\n".join([*lines, b""]),
            capture_output=True,
            check=False,
        )
        _expect(done.returncode == 0, f"write failed: {done.stderr.decode()}")
        people = [person.attributes for person in api.world.profiles()]
    _expect(people == [{"name": "Ada"}], "write did not deliver the row")
    _expect(
        b'"rejectedRecordCount":1' in done.stdout.replace(b" ", b""), "write did not count the rejected row"
    )


def _expect(condition: bool, complaint: str) -> None:
    if not condition:
        raise CheckFailedError(f"The installed command is broken: {complaint}.")
