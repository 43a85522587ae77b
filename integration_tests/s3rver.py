"""s3rver: a second S3 server beside moto, from npm, installed by `make second-store`."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# The only key that it knows.
ACCESS_KEY_ID = SECRET_ACCESS_KEY = "S3RVER"
_COMMAND = Path(__file__).parent.parent / ".venv" / "s3rver" / "node_modules" / ".bin" / "s3rver"
_URL = re.compile(r"listening on (?:https?://)?(\S+)")


def is_installed() -> bool:
    """Whether it can be started here."""
    return _COMMAND.exists()


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The URL of a server that keeps its objects in this folder, for as long as the context is open."""
    arguments = [
        "--directory",
        str(folder),
        "--address",
        "127.0.0.1",
        "--port",
        "0",
        "--silent",
        "--no-vhost-buckets",
    ]
    with subprocess.Popen([str(_COMMAND), *arguments], stdout=subprocess.PIPE, text=True) as server:
        try:
            yield _url_of(server)
        finally:
            # It keeps nothing that another run needs.
            server.kill()


def _url_of(server: subprocess.Popen[str]) -> str:
    assert server.stdout
    for line in server.stdout:
        if found := _URL.search(line):
            return f"http://{found[1]}"  # ignore-https-check: this machine
    raise AssertionError(f"s3rver ended with exit code {server.wait()}")
