"""What contributors and CI are told to run exists, and CI covers every Python that is supported."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize(
    "file",
    [
        "CONTRIBUTING.md",
        "README.md",
        "docs/qa.md",
        "docs/reliability.md",
        "docs/security.md",
        ".ci/run",
        ".github/workflows/ci.yml",
    ],
)
def test_every_make_target_that_is_named_exists(file: str) -> None:
    """In commands and in the text."""
    text = (ROOT / file).read_text()
    named = re.findall(r"(?:^\$ |`|run: |^ *)make ([a-z]+(?:-[a-z]+)*)", text, re.MULTILINE)
    assert set(named) <= TARGETS


def test_every_target_says_what_it_does() -> None:
    """`make` lists them by their comments."""
    listed = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert listed == TARGETS


def test_ci_runs_the_tests_on_every_supported_python() -> None:
    """The matrix is that of the classifiers."""
    prefix = "Programming Language :: Python :: "
    supported = [c.removeprefix(prefix) for c in PYPROJECT["project"]["classifiers"] if c.startswith(prefix)]
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == supported


def test_ci_runs_each_of_the_checks() -> None:
    """Tests, PyAirbyte, the registry's checks, the image; in a workflow and in `.ci/run`."""
    commands = [step.get("run") for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    for command in ("make test", "make test-pyairbyte", "make qa", "make test-image"):
        assert command in commands
    script = (ROOT / ".ci/run").read_text()
    for target in ("pyairbyte", "test-image", "qa", "test"):
        assert re.search(rf"\bmake {target}\b", script)


def test_all_python_is_checked_for_types() -> None:
    """The folders and files that mypy is given are those at the top that hold Python."""
    top = [
        path
        for path in ROOT.iterdir()
        if not path.name.startswith(".") and path.name not in {"build", "dist"}
    ]
    with_python = {path.name for path in top if path.suffix == ".py" or any(path.rglob("*.py"))}
    assert set(PYPROJECT["tool"]["mypy"]["files"]) == with_python


def test_the_hooks_are_the_tools_of_the_environment() -> None:
    """The same versions as `make lint types`, and nothing that is downloaded."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    assert {entry.split()[0] for entry in entries} == {
        ".venv/bin/ruff",
        ".venv/bin/mypy",
        ".venv/bin/lint-imports",
    }
