"""A file or folder of certificate authorities that the environment names, checked before it is used.

Checked here because the libraries report a bad one as a failed connection, or not before the first row.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from destination_customerio.errors import ConfigError

# What OpenSSL looks for in a folder: the hash of a subject, and a number.
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")


@dataclass(frozen=True, slots=True)
class CaBundle:
    """Certificate authorities to trust in place of the public ones, and the variable that names them."""

    variable: str
    path: str


def checked_bundle(bundle: CaBundle, *, folder_allowed: bool) -> CaBundle:
    """The bundle, if it can be used.

    Raises:
        ConfigError: it can't be read, it contains no certificate, or it is a folder where only a file can be used.
    """
    path = Path(bundle.path)
    try:
        is_folder = path.is_dir()
        problem = (
            _problem_of_folder(path, folder_allowed=folder_allowed) if is_folder else _problem_of_file(path)
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        problem = f"names a file that could not be read ({os.strerror(getattr(error, 'errno', None) or 2)})"
    if problem and os.pathsep in bundle.path:  # OpenSSL takes a list in SSL_CERT_DIR
        problem = "names several folders, but the connector can use only one"
    if problem:
        raise ConfigError(
            f"The environment variable {bundle.variable} {problem}, so no secure connection can be made. Nothing was sent. Set it "
            "to a file of CA certificates in PEM format that the connector's user can read, or unset it to trust the public ones."
        )
    return bundle


def _problem_of_folder(path: Path, *, folder_allowed: bool) -> str:
    if not folder_allowed:
        return "names a folder, but the bucket's client needs a file"
    if not any(_HASHED_NAME.fullmatch(entry.name) for entry in path.iterdir()):
        return (
            "names a folder without certificates (names such as 5ed36f99.0, as `openssl rehash` makes them)"
        )
    return ""


def _problem_of_file(path: Path) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "names a file that contains no valid certificate in PEM format"
    return "" if context.cert_store_stats()["x509"] else "names a file that contains no certificate"
