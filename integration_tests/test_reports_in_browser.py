"""The reports in a real browser: the numbers of `--json`, nothing that overflows, readable for everybody.

Skipped where there is no Chromium (Debian's package `chromium`).
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from integration_tests.command_line import run_command
from integration_tests.connector import catalog_of, config_for, record, stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)"
)

HOSTILE = 'shop "><script>document.title=1</script>\x1b[31m'
CATALOG = catalog_of(
    stream(
        "users",
        "person_identify",
        namespace=HOSTILE,
        properties={"person_email": {}, "created_at": {}, "plan": {}},
    ),
    stream("orders", "person_event"),
)
DAY = 86_400_000
LINES = [
    *(
        record(
            "users",
            {
                "person_email": f"u{number}@example.com" if number % 9 else None,
                "created_at": "2026-01-02T03:04:05Z",
                "a_column_with_a_name_as_long_as_some_warehouses_make_them_" * 2: "x" * 900,
                "plan": {"name": "pro", "seats": number},
            },
            namespace=HOSTILE,
            emitted_at=1_764_000_000_000 + number * DAY // 20,
        )
        for number in range(400)
    ),
    *(
        record("orders", {"person_email": "a@example.com", "event_name": "paid", "timestamp": when})
        for when in ("2026-01-02", "soon", None, 1_764_000_000) * 5
    ),
]
# Without them, Chromium tries to reach hosts on the internet at every start.
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def dry_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The report of a dry run, and the document of the same run."""
    path = tmp_path_factory.mktemp("reports") / "dry-run.html"
    arguments = "--dry-run", "--json", "--sample", "3", "--report", str(path)
    done = run_command("write", config_for("http://127.0.0.1:1"), CATALOG, *arguments, rows=LINES)
    assert done.exit_code == 0
    return path, json.loads(done.stdout)


def figures(page: Page, within: str) -> dict[str, int]:
    """The numbers in a part of the page, by their names."""
    found = page.locator(f"{within} [data-figure]").evaluate_all(
        "elements => elements.map(element => [element.dataset.figure, element.textContent])"
    )
    return {name: int(text.replace(",", "")) for name, text in found}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_a_report_fits_and_is_accessible(
    browser: Browser, dry_run: tuple[Path, dict[str, Any]], scheme: Any, width: int
) -> None:
    """No console message, nothing wider than the window, no finding of axe; on phones and desktops, light and dark."""
    path, _ = dry_run
    # axe is a script, which the page's own policy would refuse.
    with browser.new_context(
        bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900}
    ) as context:
        page = context.new_page()
        messages: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        findings = Axe().run(page)
        assert findings.violations_count == 0, findings.generate_report()
        assert messages == []


def test_no_heading_of_a_table_is_broken_on_a_phone(
    browser: Browser, dry_run: tuple[Path, dict[str, Any]]
) -> None:
    """A table that is too wide for the window scrolls within its own part of the page."""
    path, _ = dry_run
    with browser.new_context(viewport={"width": 360, "height": 900}) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        heights = page.locator("th").evaluate_all(
            "cells => cells.map(cell => cell.clientHeight / parseFloat(getComputedStyle(cell).lineHeight))"
        )
    assert heights
    assert max(heights) < 2


def test_a_report_is_printed_dark_on_white(browser: Browser, dry_run: tuple[Path, dict[str, Any]]) -> None:
    """Printers leave backgrounds out, so light text would be lost."""
    path, _ = dry_run
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(path.as_uri())
        page.emulate_media(media="print", color_scheme="dark")
        colors = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        assert page.evaluate(colors) == ["rgb(28, 35, 48)", "rgb(255, 255, 255)"]


def test_the_numbers_on_the_page_are_those_of_the_document(
    browser: Browser, dry_run: tuple[Path, dict[str, Any]]
) -> None:
    """Totals, and each stream's rows and requests."""
    path, document = dry_run
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.title().startswith("Dry run")
    rows = document["rows"]
    assert figures(page, "main > ul:first-of-type") == {
        "read": 420,
        "would be sent": rows["would_be_sent"],
        "rejected": rows["rejected"],
        "skipped": rows["skipped"],
    }
    for number, stream_document in enumerate(document["streams"], 1):
        shown = figures(page, f"section:has(#stream-{number}) > p")
        rows = stream_document["rows"]
        assert shown == {
            "would be sent": rows["would_be_sent"],
            "rejected": rows["rejected"],
            "skipped": rows["skipped"],
            "requests": stream_document["requests"],
        }
        assert page.locator(f"section:has(#stream-{number}) tbody tr").count() == len(
            stream_document["columns"]
        )
    page.close()


def test_a_report_fetches_and_runs_nothing(browser: Browser, dry_run: tuple[Path, dict[str, Any]]) -> None:
    """A stream's name is text, whatever it says; the page is the only thing that is loaded."""
    path, _ = dry_run
    page = browser.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(path.as_uri())
    assert requested == [path.as_uri()]
    assert page.title().startswith("Dry run")
    assert '"><script>document.title=1</script>' in page.locator("#stream-1").inner_text()
    page.close()
