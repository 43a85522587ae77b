"""What an exception was made from: each library keeps the original in a place of its own."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it was made from, each once."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        link = pending.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        keywords = getattr(link, "kwargs", None)  # botocore's
        pending += [
            getattr(link, "reason", None),  # urllib3's
            keywords.get("error") if isinstance(keywords, dict) else None,
            *link.args,
            link.__cause__,
            link.__context__,
        ]


def is_raised_in(error: BaseException, *functions: str) -> bool:
    """Whether an exception was raised in a function of one of these names, or below it."""
    return any(frame.f_code.co_name in functions for frame, _ in traceback.walk_tb(error.__traceback__))
