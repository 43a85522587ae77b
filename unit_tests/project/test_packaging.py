"""One version everywhere, pins that hold, and a package that brings what it imports."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import destination_customerio

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "destination_customerio"
LOCK_FILES = sorted((ROOT / "locks").glob("*.lock"))
# Parts of a declared dependency that are packaged separately: their authors pin each pair to each other.
RELEASED_WITH = {"botocore": "boto3", "pydantic-core": "pydantic"}

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
METADATA: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VERSION = PYPROJECT["project"]["version"]
RUN_TIME_DEPENDENCIES = {
    canonicalize_name(Requirement(text).name) for text in PYPROJECT["project"]["dependencies"]
}
_MINOR = "Programming Language :: Python :: 3."
SUPPORTED_PYTHONS = [
    f"3.{c.removeprefix(_MINOR)}" for c in PYPROJECT["project"]["classifiers"] if _MINOR in c
]


def pinned_versions(lock_file: Path, python: str) -> dict[str, str]:
    """Canonical name → version of what the lock file installs on Linux under `python`."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    pins = re.findall(r"^([A-Za-z0-9].*?) \\$", lock_file.read_text(), re.MULTILINE)
    return {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in map(Requirement, pins)
        if pin.marker is None or pin.marker.evaluate(environment)
    }


def declared(lock_file: Path) -> list[Requirement]:
    """What pyproject.toml asks for in the environment of a lock file."""
    name = lock_file.stem
    texts = _group(name) if name not in ("connector", "image") else []
    if name in ("connector", "image", "dev"):
        texts += PYPROJECT["project"]["dependencies"]
    if name in ("build", "dev"):
        texts += PYPROJECT["build-system"]["requires"]
    return [Requirement(text) for text in texts]


def _group(name: str) -> list[str]:
    """The requirements of a dependency group, included groups resolved."""
    found: list[str] = []
    for entry in PYPROJECT["dependency-groups"][name]:
        found += _group(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return found


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`, which need development packages only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from run_time_nodes(node)


def imported_distributions() -> set[str]:
    """What the connector imports at run time from outside the standard library and itself, by distribution."""
    modules: set[str] = set()
    for source in PACKAGE.rglob("*.py"):
        for node in run_time_nodes(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules.add(node.module.split(".")[0])
    distributions = packages_distributions()
    third_party = modules - set(sys.stdlib_module_names) - {PACKAGE.name}
    names = {
        canonicalize_name(name) for module in third_party for name in distributions.get(module, [module])
    }
    return {RELEASED_WITH.get(name, name) for name in names}


def test_every_file_that_states_the_version_states_the_same() -> None:
    """Package, registry, image, changelog and documentation page; a stale installation fails too."""
    page = (ROOT / "docs/integrations/destinations/customerio.md").read_text()
    assert destination_customerio.__version__ == VERSION
    assert METADATA["dockerImageTag"] == VERSION
    for label in ("io.airbyte.version", "org.opencontainers.image.version"):
        assert f'{label}="{VERSION}"' in DOCKERFILE
    assert re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == VERSION
    assert f"| {VERSION} |" in page.split("## Changelog")[1]


def test_image_and_registry_metadata_name_the_same_base_image() -> None:
    """Airbyte scans and rebuilds from the base image in the metadata; the Dockerfile builds on it."""
    assert f"ARG BASE_IMAGE={METADATA['connectorBuildOptions']['baseImage']}\n" in DOCKERFILE


@pytest.mark.parametrize("lock_file", LOCK_FILES, ids=lambda path: path.stem)
def test_every_pin_has_hashes_and_no_origin(lock_file: Path) -> None:
    """A pin is bound to the content of a package, never to the place it was downloaded from."""
    text = lock_file.read_text()
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        assert re.match(r"[\w.-]+==\S+", block)
        assert "--hash=sha256:" in block
    assert not re.search(r"://|index-url|find-links|^-e|^\.{0,2}/", text, flags=re.MULTILINE)


@pytest.mark.parametrize("python", SUPPORTED_PYTHONS)
@pytest.mark.parametrize("lock_file", LOCK_FILES, ids=lambda path: path.stem)
def test_lock_files_satisfy_what_is_declared(lock_file: Path, python: str) -> None:
    """A dependency added or raised in pyproject.toml without `make lock` is noticed."""
    versions = pinned_versions(lock_file, python)
    wanted = declared(lock_file)
    assert wanted
    assert [
        str(r) for r in wanted if not r.specifier.contains(versions.get(canonicalize_name(r.name), "0"))
    ] == []


@pytest.mark.parametrize("python", SUPPORTED_PYTHONS)
@pytest.mark.parametrize("name", ["connector", "image", "build"])
def test_tests_run_with_the_versions_that_are_shipped(name: str, python: str) -> None:
    """Whatever the runtime and build locks pin, the development lock pins to the same version."""
    shipped, tested = (pinned_versions(ROOT / f"locks/{lock}.lock", python) for lock in (name, "dev"))
    assert shipped.items() <= tested.items()


@pytest.mark.parametrize("python", SUPPORTED_PYTHONS)
def test_the_image_leaves_out_the_excluded_packages(python: str) -> None:
    """`make lock` was run after the last change of the list, and each package on it would otherwise be installed."""
    listed = (ROOT / "locks/image-excludes.txt").read_text().splitlines()
    excluded = {line for line in listed if not line.startswith("#")}
    connector, image = (
        pinned_versions(ROOT / f"locks/{name}.lock", python) for name in ("connector", "image")
    )
    assert excluded <= connector.keys()
    assert not excluded & image.keys()


def test_the_cdk_can_be_imported_without_the_excluded_packages() -> None:
    """As in the image, where one of them is replaced by a file of ours."""
    left_out = ["google.cloud.secretmanager", "nltk", "pandas", "rapidfuzz"]
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({left_out})); import xmltodict, destination_customerio.cdk\n"
        "try: xmltodict.parse('<a/>')\nexcept NotImplementedError: print(xmltodict.__file__)"
    )
    done = subprocess.run(  # noqa: S603 - a fixed command
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools/image")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str(ROOT / "tools/image/xmltodict.py"), done.stderr
    assert "COPY tools/image/xmltodict.py" in DOCKERFILE
    assert "!tools/image/xmltodict.py" in (ROOT / ".dockerignore").read_text()


def test_classifiers_and_requires_python_name_the_same_pythons() -> None:
    """The registry shows the classifiers; pip goes by `requires-python`."""
    pythons = Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier
    accepted = [f"3.{minor}" for minor in range(20) if pythons.contains(Version(f"3.{minor}.0"))]
    assert accepted == SUPPORTED_PYTHONS


def test_every_import_is_a_declared_dependency() -> None:
    """The connector imports only what `pip install .` brings by name."""
    assert imported_distributions() - RUN_TIME_DEPENDENCIES == set()


def test_every_declared_dependency_is_imported() -> None:
    """Users install no dependency that the connector doesn't use."""
    assert RUN_TIME_DEPENDENCIES - imported_distributions() == set()
