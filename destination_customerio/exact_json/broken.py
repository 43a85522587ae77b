"""Where a file written by hand stops being JSON, for the message about it."""

from __future__ import annotations

import json


def where_broken(text: bytes) -> str:
    """The place of the first error of syntax, such as "line 3, column 5"; "" if there is none, or the text is not UTF-8."""
    try:
        json.loads(text.decode())
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        pass
    return ""
