"""What UTF-8 can hold: bytes that are not UTF-8 are no JSON, and text may have lone surrogates, which have no UTF-8 form."""

from __future__ import annotations

import re
from codecs import utf_8_decode
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")
_PIECE_BYTES = 1 << 16


def is_utf8(text: bytes) -> bool:
    """Whether bytes are UTF-8: values are copied, so nothing else would notice."""
    if text.isascii():
        return True
    # In pieces, as one long text would take several times its size. A piece may end within a character.
    whole = memoryview(text)
    start = 0
    try:
        while start < len(text):
            stop = start + _PIECE_BYTES
            _, size = utf_8_decode(whole[start:stop], "strict", stop >= len(text))
            start += size
    except UnicodeDecodeError:
        return False
    return True


def without_lone_surrogates(value: Any) -> Any:
    """The value with U+FFFD for each lone surrogate, as a parser on the receiving side would replace it."""
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case dict():
            return {
                without_lone_surrogates(name): without_lone_surrogates(item) for name, item in value.items()
            }
        case list():
            return [without_lone_surrogates(item) for item in value]
    return value


def is_valid_text(text: str) -> bool:
    """Whether `text` can be encoded as UTF-8, that is, contains no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
