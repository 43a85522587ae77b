"""Reports: every value escaped, every number from the document."""

from __future__ import annotations

import re
from copy import deepcopy
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest

from destination_customerio.masking import printable
from destination_customerio.reports.page import dry_run_page, rejected_page, replay_page

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "{{ 7 * 7 }}",
    "</style><style>*{display:none}",
    "\x1b[31mred\x1b]8;;https://example.com\x07",
    "\u202egnirts\u2066",
    "&lt;b&gt;",
]
KIND = {
    "reason": "invalid",
    "field": "timestamp",
    "rows": 12,
    "first": "2026-11-01T00:00:00Z",
    "last": "2026-11-03T00:00:00Z",
    "example": "xxxx",
    "by_day": {"2026-11-01": 1, "2026-11-03": 11},
}
DRY_RUN: dict[str, Any] = {
    "is_complete": True,
    "rows": {"read": 1234, "would_be_sent": 1200, "rejected": 12, "skipped": 22},
    "requests": {"count": 4, "bytes": 1_000_000, "fullest_bytes": 499_000, "limit_bytes": 500_000},
    "settings": ["Null attributes are left out."],
    "warnings": ["A warning."],
    "streams": [
        {
            "stream": "orders",
            "object": "person_event",
            "how": "its primary key identifies people by person_id",
            "rows": {"read": 1234, "would_be_sent": 1200, "rejected": 12, "skipped": 22},
            "requests": 4,
            "columns": [
                {"column": "total", "becomes": "amount", "use": "attribute", "note": "", "rows": 100},
                {"column": "_ab_x", "becomes": "", "use": "left out", "note": "a note", "rows": 100},
            ],
            "rejected": [KIND],
            "skipped": [{"reason": "deleted in the source", "rows": 22}],
            "event_ages": {"recent": 5, "older": 6, "future": 7},
            "samples": [
                {"outcome": "would be sent", "row": {"a": 1}, "entry": {"b": {"c": 2}}, "columns": []},
                {
                    "outcome": "rejected",
                    "row": None,
                    "reason": "invalid",
                    "field": "",
                    "message": "Too deep.",
                },
                {"outcome": "skipped", "row": {"a": 1}, "reason": "deleted in the source"},
            ],
        }
    ],
}
REJECTED: dict[str, Any] = {
    "files": 3,
    "rows": 12,
    "rejected": [{"stream": "orders", **KIND}],
    "skipped_files": 1,
    "skipped": [{"key": "some/key", "cause": "not a table"}],
}
REPLAY: dict[str, Any] = {
    "is_dry_run": False,
    "is_stopped": False,
    "rows": {"accepted": 40, "rejected": 12},
    "skipped_files": 0,
    "streams": [
        {
            "stream": "orders",
            "object": "person_event",
            "rows": {"accepted": 40, "rejected": 12},
            "rejected": [KIND],
        }
    ],
}
PAGES = [(dry_run_page, DRY_RUN), (rejected_page, REJECTED), (replay_page, REPLAY)]


class _Figures(HTMLParser):
    """The numbers of a page by their names, and the elements that could run or fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.figures: list[tuple[str, int]] = []
        self.active: list[str] = []
        self._name = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._name = given.get("data-figure") or ""
        handlers = [name for name in given if name.startswith("on") or name in ("src", "href", "srcset")]
        if handlers or tag in ("script", "img", "link", "iframe", "object", "a", "form"):
            self.active.append(tag)

    def handle_data(self, data: str) -> None:
        if self._name:
            self.figures.append((self._name, int(data.replace(",", ""))))
            self._name = ""


def parsed(html: str) -> _Figures:
    """What a browser would find in a page."""
    parser = _Figures()
    parser.feed(html)
    parser.close()
    return parser


def test_a_dry_runs_numbers_are_those_of_the_document() -> None:
    """Totals, requests, and each stream's own."""
    assert parsed(dry_run_page(DRY_RUN)).figures == [
        ("read", 1234),
        ("would be sent", 1200),
        ("rejected", 12),
        ("skipped", 22),
        ("would be sent", 1200),
        ("rejected", 12),
        ("skipped", 22),
        ("requests", 4),
        ("rows", 12),
        ("within 72 hours: may trigger campaigns", 5),
        ("older: trigger no campaign", 6),
        ("in the future", 7),
        ("requests", 4),
        ("bytes", 1_000_000),
        ("bytes in the fullest", 499_000),
        ("bytes at most", 500_000),
    ]


def test_what_is_unusual_about_a_sync_is_said() -> None:
    """Of all streams at the top, of one stream below its name; nothing where nothing is."""
    page = dry_run_page(DRY_RUN)
    assert "<p>Null attributes are left out.</p>" in page
    assert "<p>Its primary key identifies people by person_id.</p>" in page
    ordinary = deepcopy(DRY_RUN)
    ordinary["settings"] = []
    ordinary["streams"][0]["how"] = ""
    assert "Null attributes" not in dry_run_page(ordinary)
    assert "Its primary key" not in dry_run_page(ordinary)


def test_the_numbers_of_rejected_rows_and_of_a_replay() -> None:
    """The same holds for the other two reports."""
    assert parsed(rejected_page(REJECTED)).figures == [
        ("rejected", 12),
        ("files", 3),
        ("files skipped", 1),
        ("rejected", 12),
        ("rows", 12),
    ]
    assert parsed(replay_page(REPLAY)).figures == [
        ("accepted", 40),
        ("rejected again", 12),
        ("files left unchanged", 0),
        ("accepted", 40),
        ("rejected again", 12),
        ("rows", 12),
    ]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(("page", "document"), PAGES)
def test_no_text_of_a_document_is_markup(page: Any, document: dict[str, Any], hostile: str) -> None:
    """Whatever a stream, a column or a reason is named, the page runs nothing, fetches nothing, and hides nothing."""
    html = page(_with_every_text(document, hostile))
    found = parsed(html)
    assert found.active == []
    assert found.figures == parsed(page(document)).figures
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)
    assert escape(printable(hostile)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in html


def _with_every_text(value: Any, text: str) -> Any:
    """The document with this text in place of each name and sentence; times, days and outcomes stay."""
    value = deepcopy(value)
    match value:
        case dict():
            kept = ("first", "last", "by_day", "outcome")
            return {key: item if key in kept else _with_every_text(item, text) for key, item in value.items()}
        case list():
            return [_with_every_text(item, text) for item in value]
        case str():
            return text
        case _:
            return value


def test_days_without_rejected_rows_are_part_of_the_chart() -> None:
    """A gap in a chart would shift the days after it."""
    html = rejected_page(REJECTED)
    assert re.findall(r'title="([^"]*)"', html) == ["2026-11-01: 1", "2026-11-02: 0", "2026-11-03: 11"]
    assert re.findall(r'style="height: ([0-9]+)%"', html) == ["10", "0", "100"]


def test_a_chart_has_a_bar_for_at_most_ninety_days() -> None:
    """The counts include the days before."""
    document = deepcopy(REJECTED)
    document["rejected"][0]["by_day"] = {"1999-01-01": 1, "2026-11-03": 11}
    assert len(re.findall(r"<li style", rejected_page(document))) == 90


def test_an_empty_document_makes_a_page() -> None:
    """No row, no stream."""
    empty = {"files": 0, "rows": 0, "rejected": [], "skipped_files": 0, "skipped": []}
    assert "<h1>Rejected rows</h1>" in rejected_page(empty)


def test_a_stream_name_that_a_shell_would_run_is_quoted() -> None:
    """The command on the page can be pasted."""
    document = deepcopy(REJECTED)
    document["rejected"][0]["stream"] = "a; rm -rf $(x) 'y'"
    html = rejected_page(document)
    assert "--stream &#39;a; rm -rf $(x) &#39;&#34;&#39;&#34;&#39;y&#39;&#34;&#39;&#34;&#39;&#39;" in html


def test_a_stream_name_that_looks_like_an_option_is_none() -> None:
    """The command would be refused otherwise."""
    document = deepcopy(REJECTED)
    document["rejected"][0]["stream"] = "-orders"
    assert "--stream=-orders<" in rejected_page(document)
