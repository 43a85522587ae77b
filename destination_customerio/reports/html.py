"""Renders a page. The template escapes every value; characters that are commands to a terminal or a reader are replaced."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from destination_customerio.masking import printable

if TYPE_CHECKING:
    import jinja2

    from destination_customerio.reports.page import Page


def render(page: Page) -> str:
    """The page as one HTML document that fetches nothing and runs no script."""
    return _environment().get_template("report.html.jinja").render(page=page)


@functools.cache
def _environment() -> jinja2.Environment:
    # Imported here, as a sync needs no reports.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("destination_customerio.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    environment.filters["number"] = lambda number: f"{number:,}"
    return environment


def _safe(value: Any) -> Any:
    """A value as it may be shown: line breaks are kept, other characters that don't print are replaced."""
    if type(value) is str:
        return "\n".join(map(printable, value.split("\n")))
    return value
