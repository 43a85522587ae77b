"""Checks the workflows and the other files that GitHub reads, offline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tools.release.project import ROOT, CheckFailedError, run, tracked_files

if TYPE_CHECKING:
    from pathlib import Path

_USES = re.compile(r"^\s*(?:- )?uses: *(.*?) *$", re.MULTILINE)
_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/[\w.-]+(?: #.*)?")
# The schema of each file that check-jsonschema knows.
SCHEMAS = {
    r"\.github/workflows/[^/]+\.yml": "vendor.github-workflows",
    r"\.github/dependabot\.yml": "vendor.dependabot",
    r"\.github/ISSUE_TEMPLATE/config\.yml": "vendor.github-issue-config",
    r"\.github/ISSUE_TEMPLATE/(?!config)[^/]+\.yml": "vendor.github-issue-forms",
}


def unpinned(workflow: str) -> list[str]:
    """The actions in a workflow's text that are not pinned to a commit with the version in a comment."""
    return [reference for reference in _USES.findall(workflow) if not _PINNED.fullmatch(reference)]


def check_workflows(programs: Path) -> None:
    """Run actionlint, zizmor and check-jsonschema, which are in the folder `programs`.

    Raises:
        CheckFailedError: with what they found.
    """
    files = tracked_files()
    workflows = [name for name in files if re.fullmatch(next(iter(SCHEMAS)), name)]
    for name in workflows:
        if found := unpinned((ROOT / name).read_text()):
            raise CheckFailedError(
                f"{name}: pin {', '.join(found)} to a commit, with its version in a comment."
            )
    run(programs / "actionlint", *workflows)
    run(programs / "zizmor", "--offline", "--persona", "pedantic", "--quiet", ".github")
    for pattern, schema in SCHEMAS.items():
        if named := [name for name in files if re.fullmatch(pattern, name)]:
            run(programs / "check-jsonschema", "--builtin-schema", schema, *named)
