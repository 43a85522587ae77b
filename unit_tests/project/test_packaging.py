"""The files around the code agree with each other: one version, one set of pins, one image, no stray dependency.

`pyproject.toml` is the source of each; the rest repeats it because a registry, an image or a reader needs it there.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
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
LOCK_FILES = [
    "locks/connector.lock",
    "locks/dev.lock",
    "locks/build.lock",
    "locks/pyairbyte.lock",
    "locks/source-faker.lock",
    "locks/qa.lock",
    "locks/bench.lock",
]
# Parts of a declared dependency that are packaged apart: their own authors pin the pair to each other.
RELEASED_WITH = {"botocore": "boto3", "pydantic-core": "pydantic"}
SUPPORTED_PYTHONS = ["3.11", "3.12", "3.13"]

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
METADATA: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pins(lock_file: str) -> Iterator[Requirement]:
    """The `name==version ; marker` lines of a lock file."""
    for line in (ROOT / lock_file).read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            yield Requirement(line.removesuffix(" \\"))


def pinned_versions(lock_file: str, python: str) -> dict[str, str]:
    """Canonical name → version of what the lock file installs on Linux under `python`."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    return {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in pins(lock_file)
        if pin.marker is None or pin.marker.evaluate(environment)
    }


def declared(group: str | None = None) -> list[Requirement]:
    """The runtime dependencies, or those of a dependency group with the groups it includes."""
    if group is None:
        return [Requirement(text) for text in PYPROJECT["project"]["dependencies"]]
    found: list[Requirement] = []
    for entry in PYPROJECT["dependency-groups"][group]:
        found += declared(entry["include-group"]) if isinstance(entry, dict) else [Requirement(entry)]
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


def test_the_installed_package_has_the_version_of_pyproject() -> None:
    """`__version__` is what pyproject.toml says; a stale installation is noticed."""
    assert destination_customerio.__version__ == PYPROJECT["project"]["version"]


def test_registry_metadata_names_the_version() -> None:
    """The registry pulls the image tagged with the package's version."""
    assert METADATA["dockerImageTag"] == PYPROJECT["project"]["version"]


def test_the_changelog_opens_with_the_version() -> None:
    """The newest heading of the changelog is the version being shipped."""
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == PYPROJECT["project"]["version"]


def test_the_image_is_labelled_with_name_and_version() -> None:
    """The labels that Airbyte reads name the repository of the registry and the version."""
    labels = dict(re.findall(r'^(?:LABEL| {5}) ([\w.]+)="([^"]*)"', DOCKERFILE, flags=re.MULTILINE))
    assert labels["io.airbyte.name"] == METADATA["dockerRepository"]
    assert labels["io.airbyte.version"] == PYPROJECT["project"]["version"]
    assert labels["org.opencontainers.image.version"] == PYPROJECT["project"]["version"]


def test_image_and_registry_metadata_name_one_base_image() -> None:
    """The base image pinned in the Dockerfile is the one that the registry is told."""
    assert f"ARG BASE_IMAGE={METADATA['connectorBuildOptions']['baseImage']}\n" in DOCKERFILE


def test_the_platform_and_docker_start_the_same_program() -> None:
    """AIRBYTE_ENTRYPOINT, the image's entry point and the console script are one."""
    (script,) = PYPROJECT["project"]["scripts"]
    assert f'AIRBYTE_ENTRYPOINT="{script}"\n' in DOCKERFILE
    assert f'ENTRYPOINT ["{script}"]\n' in DOCKERFILE


@pytest.mark.parametrize("lock_file", LOCK_FILES)
def test_every_pin_has_hashes_and_no_origin(lock_file: str) -> None:
    """A pin is tied to its content, never to the place where it was downloaded."""
    text = (ROOT / lock_file).read_text()
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        assert re.match(r"[\w.-]+==\S+", block)
        assert "--hash=sha256:" in block
    assert not re.search(r"://|index-url|find-links|^-e|^\.{0,2}/", text, flags=re.MULTILINE)


@pytest.mark.parametrize("python", SUPPORTED_PYTHONS)
@pytest.mark.parametrize(
    ("lock_file", "requirements"),
    [
        ("locks/connector.lock", declared()),
        ("locks/dev.lock", declared() + declared("dev")),
        ("locks/build.lock", declared("build")),
        ("locks/pyairbyte.lock", declared("pyairbyte")),
        ("locks/source-faker.lock", declared("source-faker")),
        ("locks/qa.lock", declared("qa")),
        ("locks/bench.lock", declared("bench")),
    ],
    ids=["runtime", "dev", "build", "pyairbyte", "source-faker", "qa", "bench"],
)
def test_lock_files_satisfy_what_is_declared(
    lock_file: str, requirements: list[Requirement], python: str
) -> None:
    """A dependency added or raised in pyproject.toml without `make lock` is noticed."""
    versions = pinned_versions(lock_file, python)
    unmet = [
        str(r) for r in requirements if not r.specifier.contains(versions.get(canonicalize_name(r.name), "0"))
    ]
    assert unmet == []


@pytest.mark.parametrize("python", SUPPORTED_PYTHONS)
@pytest.mark.parametrize("lock_file", ["locks/connector.lock", "locks/build.lock"])
def test_tests_run_with_the_versions_that_are_shipped(lock_file: str, python: str) -> None:
    """Whatever the runtime and build locks pin, the development lock pins to the same version."""
    assert pinned_versions(lock_file, python).items() <= pinned_versions("locks/dev.lock", python).items()


def test_the_locked_build_tools_are_those_of_the_build_system() -> None:
    """The group that is locked for building repeats [build-system] and nothing else."""
    assert PYPROJECT["dependency-groups"]["build"] == PYPROJECT["build-system"]["requires"]


def test_supported_pythons_are_those_declared() -> None:
    """The classifiers and `requires-python` name the same Pythons."""
    prefix = "Programming Language :: Python :: 3."
    classified = [c.rpartition(" ")[2] for c in PYPROJECT["project"]["classifiers"] if c.startswith(prefix)]
    assert classified == SUPPORTED_PYTHONS
    pythons = Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier
    assert [
        f"3.{minor}" for minor in range(20) if pythons.contains(Version(f"3.{minor}.0"))
    ] == SUPPORTED_PYTHONS


def test_every_import_is_a_declared_dependency() -> None:
    """The connector imports only what `pip install .` brings by name."""
    assert imported_distributions() - {canonicalize_name(r.name) for r in declared()} == set()


def test_every_declared_dependency_is_imported() -> None:
    """No dependency is shipped that the connector doesn't use."""
    assert {canonicalize_name(r.name) for r in declared()} - imported_distributions() == set()


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    """What `pip install .` installs is every module, the type marker and the licence; no test comes along."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - a fixed command
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        assert (
            "destination-customerio = destination_customerio.cli:run" in archive.read(entry_points).decode()
        )
    files = {p.relative_to(ROOT).as_posix() for p in PACKAGE.rglob("*") if p.suffix in {".py", ".typed"}}
    assert {name for name in names if ".dist-info/" not in name} == files
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
