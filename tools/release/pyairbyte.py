"""Runs the README's lines for PyAirbyte with the built wheel in place of the published package."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from tools.local_track_api import LocalTrackApi
from tools.release.project import ROOT, CheckFailedError, run

_CLIENT = Path(sys.prefix) / "pyairbyte" / "bin" / "python"
_SOURCE = Path(sys.prefix) / "source-faker" / "bin" / "source-faker"
_PEOPLE = 100


def is_installed() -> bool:
    """Whether PyAirbyte and a source are: `make pyairbyte`."""
    return _CLIENT.exists() and _SOURCE.exists()


def readme_code(connector: str, url: str) -> str:
    """The README's code, with a local Track API, an installed source, and `connector` as its line about the connector.

    Raises:
        CheckFailedError: the README has no such code any more.
    """
    (code,) = re.findall(
        r"```python\n(import airbyte as ab\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    replaced = {
        r'pip_url="airbyte-destination-customerio",[^\n]*': f"{connector},",
        r'\{"siteId": "…", "apiKey": "…"\},': f'{{"siteId": "site", "apiKey": "key"}}, "track_api_url": "{url}",',
        r'get_source\("source-faker", ': f'get_source("source-faker", local_executable="{_SOURCE}", ',
    }
    for pattern, replacement in replaced.items():
        code, count = re.subn(pattern, replacement.replace("\\", r"\\"), code)
        if count != 1:
            raise CheckFailedError(
                f"README.md has no line {pattern} in its code for PyAirbyte. Correct one of the two."
            )
    return str(code)


def try_readme(connector: str, folder: Path) -> None:
    """Run that code in an empty folder.

    Raises:
        CheckFailedError: it failed, or not every person was delivered.
    """
    folder.mkdir()
    environment = {
        **os.environ,
        # PyAirbyte installs with uv.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "UV_CACHE_DIR": run(Path(sys.executable).parent / "uv", "cache", "dir").strip(),
        "AIRBYTE_LOGGING_ROOT": str(folder / "logs"),
        "AIRBYTE_OFFLINE_MODE": "1",
        "DO_NOT_TRACK": "1",
        "NO_LIVE_PROGRESS": "1",
    }
    with LocalTrackApi() as api:
        (folder / "sync.py").write_text(readme_code(connector, api.url))
        run(_CLIENT, "sync.py", cwd=folder, env=environment)
        people = len(api.world.profiles())
    if people != _PEOPLE:
        raise CheckFailedError(
            f"The README's code for PyAirbyte delivered {people} people instead of {_PEOPLE}."
        )
