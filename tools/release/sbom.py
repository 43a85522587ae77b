"""Makes a software bill of materials of what the image contains, and compares it with the lock file.

python -m tools.release.sbom IMAGE FILE
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.release.project import ROOT, CheckFailedError, project, run

PROGRAMS = Path(sys.prefix) / "release" / "bin"
# Run with the image's own Python: the generator sees the environment that a sync runs in.
_GENERATE = """
import sys
sys.path.insert(0, "/sbom-tools")
from cyclonedx_py._internal.cli import run
options = ["--output-reproducible", "--no-validate", "--sv", "1.6", "--pyproject", "/pyproject.toml"]
sys.exit(run(argv=["environment", *options, sys.executable], prog="sbom"))
"""
# Run outside of it: the validator's compiled parts are for the Python of .venv.
_VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))
"""


def generate(image: str) -> dict[str, Any]:
    """The CycloneDX document of the image's Python environment.

    Raises:
        CheckFailedError: the generator failed in the image.
    """
    site_packages = run(
        PROGRAMS / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
    ).strip()
    mounts = [
        f"--volume={site_packages}:/sbom-tools:ro",
        f"--volume={ROOT / 'pyproject.toml'}:/pyproject.toml:ro",
    ]
    done = subprocess.run(
        ["docker", "run", "--rm", "--user", "0", "--entrypoint", "python", *mounts, image, "-c", _GENERATE],  # noqa: S607 - whatever client the person uses
        check=False,
        capture_output=True,
        text=True,
    )
    # Some engines don't pass on the exit code with --rm.
    if done.returncode != 0 or not done.stdout:
        raise CheckFailedError(f"No SBOM could be made of {image}:\n{done.stderr.strip()}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def components(document: dict[str, Any]) -> set[str]:
    """`name==version` of every component, names normalized."""
    found = [*document["components"], document["metadata"]["component"]]
    return {f"{_normalized(part['name'])}=={part['version']}" for part in found}


def expected(lock_file: str, python: str) -> set[str]:
    """`name==version` of what the lock file installs on Linux on this Python, and of the connector."""
    from packaging.requirements import Requirement

    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    pins = map(Requirement, re.findall(r"^([A-Za-z0-9].*?) \\$", lock_file, re.MULTILINE))
    chosen = {
        f"{_normalized(pin.name)}{pin.specifier}"
        for pin in pins
        if pin.marker is None or pin.marker.evaluate(environment)
    }
    return chosen | {f"{_normalized(project()['name'])}=={project()['version']}"}


def main(image: str, file: Path) -> None:
    """Write the document; print what it lists and how large the image's own layers are.

    Raises:
        CheckFailedError: the image contains other packages or versions than the lock file.
    """
    document = generate(image)
    python = run(
        "docker",
        "run",
        "--rm",
        "--entrypoint",
        "python",
        image,
        "-c",
        "import sys; print('%d.%d' % sys.version_info[:2])",
    ).strip()
    found, locked = components(document), expected((ROOT / "locks" / "image.lock").read_text(), python)
    if found != locked:
        raise CheckFailedError(
            f"The image lacks {sorted(locked - found) or 'nothing'} of locks/image.lock, and contains "
            f"{sorted(found - locked) or 'nothing'} in addition. Build it again; if that doesn't help, run 'make lock'."
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2) + "\n")
    run(PROGRAMS / "python", "-c", _VALIDATE, file.resolve())
    print(f"{file}: {len(found)} Python packages, exactly those of locks/image.lock and the connector.")


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except CheckFailedError as error:
        sys.exit(str(error))
