r"""Repairs what many programs write as JSON although JSON can't hold it.

- NaN, Infinity and -Infinity, as Python and JavaScript write them, become null.
- The escape of a lone surrogate, half a character (`\ud83d`), becomes that of U+FFFD, as a parser on the receiving side
  would replace it.

Nothing else changes, so a text that is wrong in another way is still wrong. Long texts are repaired in pieces by functions
that work on bytes: a step for each string or number would take seconds for a row of 20 MB, and many times its memory.

The escape of U+FFFD has sixteen spellings (`\uFFFD`, `\ufFfd`). With one that a text doesn't have, it shows afterwards where
lone surrogates were.
"""

from __future__ import annotations

import io
import re
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLACEMENT = rb"\ufffd"
_SPELLINGS = [b"\\u" + "".join(letters).encode() for letters in product("fF", "fF", "fF", "dD")]
# Escaped backslashes and quotes, while the text is repaired, are characters that are not valid anywhere in JSON.
_BACKSLASH, _QUOTE = b"\x00", b"\x01"
_PIECE_BYTES = 1 << 16
_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE_SURROGATE = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_SURROGATE_BEGINNINGS = (rb"\ud", rb"\uD")
_NAN, _INFINITY = b"NaN", b"Infinity"
# Where a text can be cut: not within a word, an escape or a pair of surrogates. In a long text without any other character,
# that is between hexadecimal digits, or between escapes.
_CUT = re.compile(
    rb"[^NaIinfty\-u0-9A-Fa-f\\]|(?<=[0-9a-fA-F]{8})[0-9a-fA-F]|\\(?!u[dD][c-fC-F])|(?<!%b)\\" % _HIGH
)


def unused_replacement(text: bytes) -> bytes:
    """A spelling of the escape of U+FFFD that the text doesn't have; any if it has all of them."""
    return next((spelling for spelling in _SPELLINGS if spelling not in text), REPLACEMENT)


def repaired(text: bytes, replacement: bytes = REPLACEMENT) -> bytes:
    """The text with U+FFFD for lone surrogates, and null for numbers that JSON doesn't have."""
    if _BACKSLASH in text or _QUOTE in text:  # not JSON at all
        return text
    has_nan = _NAN in text or _INFINITY in text
    if not (has_nan or any(beginning in text for beginning in _SURROGATE_BEGINNINGS)):
        return text
    masked = text.replace(rb"\\", _BACKSLASH).replace(rb"\"", _QUOTE)
    fixed = io.BytesIO()
    fixed.writelines(_repaired_pieces(masked, replacement, has_nan=has_nan))
    # Not the pieces joined, which would take the memory of both.
    del masked
    return fixed.getvalue().replace(_QUOTE, rb"\"").replace(_BACKSLASH, rb"\\")


def _repaired_pieces(text: bytes, replacement: bytes, *, has_nan: bool) -> Iterator[bytes]:
    start = 0
    in_string = False
    while start < len(text):
        cut = _CUT.search(text, start + _PIECE_BYTES)
        stop = cut.start() if cut else len(text)
        piece = text[start:stop]
        if any(beginning in piece for beginning in _SURROGATE_BEGINNINGS):
            piece = _LONE_SURROGATE.sub(replacement.replace(b"\\", rb"\\"), piece)
        quotes = piece.count(b'"') if has_nan else 0
        if _NAN in piece or _INFINITY in piece:
            piece = _without_nan(piece, in_string=in_string)
        in_string ^= quotes % 2 == 1
        yield piece
        start = stop


def _without_nan(piece: bytes, *, in_string: bool) -> bytes:
    """A piece, which begins inside of a string or outside, with null for NaN and the infinities outside of strings."""
    # Without escaped quotes, strings and what is between them alternate.
    parts = piece.split(b'"')
    outside = slice(int(in_string), None, 2)
    if chosen := parts[outside]:
        joined = b'"'.join(chosen)
        for name in (_NAN, b"-Infinity", _INFINITY):
            joined = joined.replace(name, b"null")
        parts[outside] = joined.split(b'"')
    return b'"'.join(parts)
