"""Takes the pictures of the documentation: the demo's two reports, as a browser shows them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from tools.demo.__main__ import main as run_demo
from tools.demo.__main__ import report_path

IMAGES = Path("docs") / "images"
# As a laptop shows the top of a page, twice as sharp.
_VIEWPORT: ViewportSize = {"width": 900, "height": 1000}


def main() -> int:
    """Run the demo and take the pictures; returns the exit code."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("No Chromium is installed (Debian: apt-get install chromium): the pictures were not taken.")
        return 0
    if exit_code := run_demo():
        return exit_code
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in ("dry-run", "rejected"):
            page = browser.new_page(viewport=_VIEWPORT, device_scale_factor=1.5, color_scheme="light")
            page.goto(report_path(name).resolve().as_uri())
            page.screenshot(path=IMAGES / f"{name}.png")
            print(f"Wrote {IMAGES / name}.png.")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
