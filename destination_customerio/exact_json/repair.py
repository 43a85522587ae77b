r"""Repairs what many programs write as JSON although JSON can't hold it.

- NaN, Infinity and -Infinity, as Python and JavaScript write them, become null.
- The escape of a lone surrogate, half a character (`\ud83d`), becomes that of U+FFFD, as a parser on the receiving side
  would replace it.

Nothing else changes, so a text that is wrong in another way is still wrong. Long texts are repaired in pieces by functions
that work on bytes: a step for each string or number would take seconds for a row of 20 MB, and many times its memory.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Escaped backslashes and quotes, while the text is repaired, are characters that are not valid anywhere in JSON.
_BACKSLASH, _QUOTE = b"\x00", b"\x01"
_PIECE_BYTES = 1 << 16
_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_SURROGATE = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
# Where a text can be cut: not within a word, a number, an escape or a pair of surrogates.
_CUT = re.compile(rb'[",:\]} ]|(?<!%b)\\' % _HIGH)


def repaired(text: bytes) -> bytes:
    """The text with U+FFFD for lone surrogates, and null for numbers that JSON doesn't have."""
    if _BACKSLASH in text or _QUOTE in text:  # not JSON at all
        return text
    masked = text.replace(rb"\\", _BACKSLASH).replace(rb"\"", _QUOTE)
    fixed = io.BytesIO()
    fixed.writelines(_repaired_pieces(masked))
    # Not the pieces joined, which would take the memory of both.
    return fixed.getvalue().replace(_QUOTE, rb"\"").replace(_BACKSLASH, rb"\\")


def _repaired_pieces(text: bytes) -> Iterator[bytes]:
    start = 0
    in_string = False
    while start < len(text):
        cut = _CUT.search(text, start + _PIECE_BYTES)
        stop = cut.start() if cut else len(text)
        # Without escaped quotes, strings and what is between them alternate.
        parts = text[start:stop].split(b'"')
        _repair_joined(parts, slice(int(not in_string), None, 2), _without_lone_surrogates)
        _repair_joined(parts, slice(int(in_string), None, 2), _without_nan)
        yield b'"'.join(parts)
        in_string ^= len(parts) % 2 == 0
        start = stop


def _repair_joined(parts: list[bytes], which: slice, repair: Callable[[bytes], bytes]) -> None:
    """Repair some of the parts, all at once."""
    if chosen := parts[which]:
        joined = b'"'.join(chosen)
        if (fixed := repair(joined)) != joined:
            parts[which] = fixed.split(b'"')


def _without_lone_surrogates(text: bytes) -> bytes:
    return _LONE_SURROGATE.sub(rb"\\ufffd", text) if rb"\u" in text else text


def _without_nan(text: bytes) -> bytes:
    for name in (b"NaN", b"-Infinity", b"Infinity"):
        text = text.replace(name, b"null")
    return text
