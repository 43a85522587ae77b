"""The QA checks of Airbyte's connector registry, on a copy of this connector laid out as its monorepo expects.

`make qa` runs this in a separate environment (`airbyte-internal-ops` needs other versions than the connector) and
compares the outcomes with the table in `docs/qa.md`, so that no check starts to fail or pass unnoticed. The monorepo's
connectors are Poetry projects, so the copy's pyproject.toml is translated to Poetry and locked at the pinned versions.
Locking needs the package index; the checks themselves run offline, with every request sent to a closed local port.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent
NAME = "destination-customerio"
DOCS_FOLDER = "docs/integrations/destinations/"
EXPECTED = ROOT / "docs" / "qa.md"
# The discard port; nothing listens there.
CLOSED = "http://127.0.0.1:9"  # ignore-https-check: loopback


def lay_out(monorepo: Path) -> None:
    """Copy the files tracked by git to their places in a monorepo: the connector, and its documentation page."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - the user's git
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    connector = monorepo / "airbyte-integrations" / "connectors" / NAME
    for name in filter(None, tracked.split("\0")):
        target = (monorepo if name.startswith(DOCS_FOLDER) else connector) / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    pins = pinned((ROOT / "locks/connector.lock").read_text())
    (connector / "pyproject.toml").write_text(poetry_project((ROOT / "pyproject.toml").read_text(), pins))
    lock(connector, pins)


def pinned(lock_file: str) -> list[str]:
    """The `name==version ; marker` lines of a lock file."""
    return re.findall(r"^([A-Za-z0-9].*?) \\$", lock_file, re.MULTILINE)


def poetry_project(pyproject: str, pins: list[str]) -> str:
    """Our `[project]` as a Poetry pyproject.toml; the pins are a separate group."""
    project = tomllib.loads(pyproject)["project"]
    dependencies = re.findall(r"^([\w-]+)(\S+)$", "\n".join(project["dependencies"]), re.MULTILINE)
    return "\n".join(
        [
            "[tool.poetry]",
            *(f"{key} = {json.dumps(project[key])}" for key in ("name", "version", "license")),
            "package-mode = false",
            "[tool.poetry.dependencies]",
            f"python = {json.dumps(project['requires-python'])}",
            *(f"{name} = {json.dumps(bounds)}" for name, bounds in dependencies),
            "[dependency-groups]",
            f"pins = {json.dumps(pins)}",
            # The index of pip and uv; Poetry's default uses PyPI APIs that mirrors lack.
            "[[tool.poetry.source]]",
            f'name = "index"\nurl = {json.dumps(index_url())}\npriority = "primary"\n',
        ]
    )


def index_url() -> str:
    """The package index that uv is configured to use."""
    said = subprocess.run(
        [str(PROGRAMS / "uv"), "pip", "compile", "--quiet", "--no-header", "--emit-index-url", "-"],
        check=True,
        input="",
        capture_output=True,
        text=True,
    ).stdout
    (url,) = re.findall(r"^--index-url (\S+)", said, re.MULTILINE)
    return str(url)


def lock(connector: Path, pins: list[str]) -> None:
    """Create a poetry.lock, and verify that it has exactly the pinned packages and versions."""
    environment = {
        **os.environ,
        "POETRY_CACHE_DIR": str(PROGRAMS.parent / "poetry-cache"),
        "POETRY_VIRTUALENVS_CREATE": "false",
        "POETRY_KEYRING_ENABLED": "false",
    }
    done = subprocess.run(
        [str(PROGRAMS / "poetry"), "lock", "--no-interaction"],
        cwd=connector,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"Poetry could not lock the dependencies (it needs the package index):\n{done.stderr}")
    locked = {
        f"{package['name']}=={package['version']}"
        for package in tomllib.loads((connector / "poetry.lock").read_text())["package"]
    }
    if differing := sorted(locked ^ {pin.split()[0] for pin in pins}):
        sys.exit(f"Poetry's lock differs from locks/connector.lock: {', '.join(differing)}.")


def run_checks() -> dict[str, tuple[str, str]]:
    """Each check's name, with its outcome (passes, fails, skipped, offline) and its message."""
    from airbyte_ops_mcp.connector_ops.utils import Connector
    from airbyte_ops_mcp.connector_qa.checks import ENABLED_CHECKS
    from requests import RequestException

    # Would be looked up in the registry, which has no version of this connector yet.
    Connector.is_released = False
    outcomes = {"PASSED": "passes", "FAILED": "fails", "SKIPPED": "skipped"}
    found: dict[str, tuple[str, str]] = {}
    for check in ENABLED_CHECKS:
        name = type(check).__name__
        try:
            result = check.run(Connector(NAME))
            found[name] = (outcomes[result.status.name], str(result.message))
        except RequestException as error:
            found[name] = ("offline", f"needs the internet ({type(error).__name__})")
        except Exception as error:  # noqa: BLE001 - a crashing check must not hide the others
            found[name] = ("fails", f"the check itself raised {error!r}")
    return found


def expected_outcomes(text: str) -> dict[str, str]:
    """The outcomes in the table, by check."""
    return dict(re.findall(r"^\| `(\w+)` \| (passes|fails|skipped|offline) \|", text, re.MULTILINE))


def main() -> int:
    """Run and compare; returns the exit code."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="airbyte-") as folder:
        monorepo = Path(folder) / "airbyte"
        lay_out(monorepo)
        subprocess.run(["git", "init", "--quiet", "."], cwd=monorepo, check=True)  # noqa: S607 - as above
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            os.environ[name] = os.environ[name.lower()] = CLOSED
        os.environ["DO_NOT_TRACK"] = "1"
        os.chdir(monorepo)
        found = run_checks()
        os.chdir(ROOT)
    for name, (outcome, message) in found.items():
        print(f"{outcome:8} {name}: {' '.join(message.split())}")
    expected = expected_outcomes(EXPECTED.read_text())
    differing = sorted(
        name for name in found.keys() | expected.keys() if found.get(name, ("",))[0] != expected.get(name)
    )
    if differing:
        print(f"docs/qa.md lists other outcomes for {', '.join(differing)}.")
        return 1
    print(f"{len(found)} checks, all with the outcomes in docs/qa.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
