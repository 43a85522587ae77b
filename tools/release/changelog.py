"""One version's section of the changelog, which becomes the text of its release.

python -m tools.release.changelog VERSION
"""

from __future__ import annotations

import re
import sys

from tools.release.project import ROOT, CheckFailedError


def section(changelog: str, version: str) -> str:
    """The text below the heading of a version.

    Raises:
        CheckFailedError: there is no such section, or it is empty.
    """
    pattern = rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |\Z)"
    found = re.search(pattern, changelog, re.DOTALL | re.MULTILINE)
    if found is None or not found[1].strip():
        raise CheckFailedError(f"CHANGELOG.md has no section for {version}. Write one.")
    return found[1].strip() + "\n"


if __name__ == "__main__":
    try:
        sys.stdout.write(section((ROOT / "CHANGELOG.md").read_text(), sys.argv[1]))
    except CheckFailedError as error:
        sys.exit(str(error))
