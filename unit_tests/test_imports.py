"""Imports among the modules go one way, and the pure ones reach for nothing outside."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "destination_customerio"
NAME = PACKAGE.name

PURE = [
    "assembler",
    "batcher",
    "catalog",
    "columns",
    "config",
    "config_file",
    "dead_letter_columns",
    "dead_letter_csv_reader",
    "dead_letter_format",
    "dead_letter_jsonl_reader",
    "dead_letter_labels",
    "dead_letter_origin",
    "dead_letter_paths",
    "dead_letter_reader",
    "dead_letter_rows",
    "config_model",
    "errors",
    "entries",
    "event_ids",
    "field_mapping",
    "identifiers",
    "json_spans",
    "json_text",
    "ledger",
    "limits",
    "masking",
    "mapping_config",
    "operations",
    "redaction",
    "retry",
    "router",
    "spec",
    "storage_config",
    "timestamps",
]
OUTSIDE = {
    "boto3",
    "botocore",
    "http",
    "os",
    "queue",
    "requests",
    "socket",
    "subprocess",
    "threading",
    "urllib3",
}


def imports(module: str) -> set[str]:
    """The full names of all that a module imports, wherever in it, for types alone included."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            # `from package import module` names a module as `from package.module import name` does.
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> set[str]:
    """All modules of the package but the package itself."""
    return {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}


def siblings(module: str) -> set[str]:
    """The package's own modules that a module imports."""
    parts = [name.split(".") for name in imports(module)]
    return {part[1] for part in parts if part[0] == NAME and len(part) > 1} & modules()


def test_imports_make_no_circle() -> None:
    """Even those that only a type checker follows: a reader follows them too."""
    TopologicalSorter({module: siblings(module) for module in modules()}).prepare()


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_nothing_that_acts(module: str) -> None:
    """Neither sockets, threads and the environment, nor a module of ours that uses them."""
    assert not {name.split(".")[0] for name in imports(module)} & OUTSIDE
    assert siblings(module) <= set(PURE)


def test_the_graph_is_really_read() -> None:
    """A test of the tests above: known imports are among those found."""
    assert {"columns", "catalog", "limits", "operations"} <= siblings("assembler")
    assert "requests" in {name.split(".")[0] for name in imports("track_client")}
    assert set(PURE) <= modules()
