"""The warning about keys that have no effect, most often because they are misspelled.

They are no error: a configuration may have keys of another version, and an option that is switched off may keep its own.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from destination_customerio.config.fields import Model
from destination_customerio.foreign_text import HIDDEN, looks_like_a_name
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_LISTED = 20


def ignored_key_lines(config: Model) -> Iterator[str]:
    """One warning that lists the keys without effect, each with the key that was probably meant; nothing if there are none."""
    keys = list(_described(config))
    if not keys:
        return
    verb = "has" if len(keys) == 1 else "have"
    more = f" and {len(keys) - _MAX_LISTED:,} more" if len(keys) > _MAX_LISTED else ""
    yield (
        f"{counted(len(keys), 'key')} of the configuration {verb} no effect: {', '.join(keys[:_MAX_LISTED])}{more}. "
        "Correct the spelling (names are case-sensitive), or remove what isn't needed."
    )


def _described(part: Model, path: str = "") -> Iterator[str]:
    known = {key.lower(): key for key in part.known_keys()}
    for key in part.unknown_keys:
        meant = get_close_matches(key.lower(), known, n=1)
        hint = f" (perhaps {known[meant[0]]})" if meant else ""
        yield f"{path}{key if looks_like_a_name(key) else HIDDEN}{hint}"
    for name, key in zip(type(part).model_fields, part.known_keys(), strict=True):
        value = getattr(part, name)
        items = enumerate(value) if isinstance(value, tuple) else [(None, value)]
        for number, item in items:
            if isinstance(item, Model):
                yield from _described(item, f"{path}{key}." if number is None else f"{path}{key}.{number}.")
