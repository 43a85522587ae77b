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
    "config_model",
    "dead_letters.columns",
    "dead_letters.csv_reader",
    "dead_letters.format",
    "dead_letters.jsonl_reader",
    "dead_letters.labels",
    "dead_letters.origin",
    "dead_letters.paths",
    "dead_letters.reader",
    "dead_letters.rows",
    "entries",
    "errors",
    "event_ids",
    "field_mapping",
    "identifiers",
    "json_spans",
    "json_text",
    "ledger",
    "limits",
    "mapping_config",
    "operations",
    "redaction",
    "rejected_rows.masking",
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
    for node in ast.walk(ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            # `from package import module` names a module as `from package.module import name` does.
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> set[str]:
    """All modules of the package but the package itself and the parts of it: `intake`, `dead_letters.writer`."""
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.stem != "__init__")
    return {".".join(path.with_suffix("").parts) for path in found}


def siblings(module: str) -> set[str]:
    """The package's own modules that a module imports."""
    inside = [
        name.removeprefix(f"{NAME}.").split(".") for name in imports(module) if name.startswith(f"{NAME}.")
    ]
    # The name of something in a module begins with the module's.
    return {".".join(parts[:length]) for parts in inside for length in (1, 2)} & modules()


def test_imports_make_no_circle() -> None:
    """Even those that only a type checker follows: a reader follows them too."""
    TopologicalSorter({module: siblings(module) for module in modules()}).prepare()


def test_a_sync_knows_nothing_of_the_commands_for_people() -> None:
    """Only the console script does, which starts both."""
    knowing = {
        module
        for module in modules()
        if any(sibling.startswith("rejected_rows.") for sibling in siblings(module))
    }
    assert {module for module in knowing if not module.startswith("rejected_rows.")} == {"run"}


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_nothing_that_acts(module: str) -> None:
    """Neither sockets, threads and the environment, nor a module of ours that uses them."""
    assert not {name.split(".")[0] for name in imports(module)} & OUTSIDE
    assert siblings(module) <= set(PURE)


def test_the_graph_is_really_read() -> None:
    """A test of the tests above: known imports are among those found."""
    assert {"columns", "catalog", "limits", "operations"} <= siblings("assembler")
    assert {"dead_letters.bucket", "errors"} <= siblings("rejected_rows.replay")
    assert "requests" in {name.split(".")[0] for name in imports("track_client")}
    assert set(PURE) <= modules()
