"""What may be shown of text that isn't ours: answers of Customer.io, of stores and proxies, and columns that they name.

A server that refuses something often quotes it: a row's value, a key, a token, whole or in part, in any spelling. No
search for secrets finds them all, so nothing is shown except words that are known beforehand: those of the
`vocabulary`, and the columns of a stream's schema. Everything else becomes `…`, numbers too. The full text is only stored
next to the row, in the bucket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from destination_customerio.vocabulary import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from destination_customerio.errors import Rejection

HIDDEN = "…"

# Bounds for the work and for the result, whatever the server sends.
_MAX_CHARACTERS = 2_000
_MAX_WORDS = 40
_MAX_WORD_CHARACTERS = 64
_MAX_LEVELS = 5

_ARTICLES = ("a", "A")
_PUNCTUATION = ".,:;!?'\"`()[]{}<>"
_KEPT_MARKS = ".,:;"
_SEPARATORS = re.compile(r"[._/-]")
# The words of tooLarge, AccessDenied and HTTPError.
_CAMEL_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z']+")

# A column may have any name, also one that is somebody's address or number, as in a pivoted table.
_COLUMN_NAME = re.compile(r"[\w .:$#/()-]{1,200}")
_MAX_COLUMN_DIGITS = 4


def known_words(text: str) -> str:
    """The known words of a text, with `…` for everything else; at most 40 words."""
    shown: list[str] = []
    for chunk in text[:_MAX_CHARACTERS].split():
        word = _known_word(chunk)
        if word == HIDDEN and shown[-1:] == [HIDDEN]:
            continue
        if len(shown) == _MAX_WORDS:
            return " ".join((*shown, HIDDEN))
        shown.append(word)
    return " ".join(shown)


def known_code(code: str, otherwise: str) -> str:
    """A code or reason such as `AccessDenied` or `too_large`, if it consists of known words."""
    return code if _is_known(code) else otherwise


@dataclass(frozen=True, slots=True)
class KnownColumns:
    """The columns of a stream that may be shown, decided once a sync.

    names       the columns of its schema
    has_schema  whether there is one; without one, the rows' own columns are all that names them
    """

    names: frozenset[str]
    has_schema: bool

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """The columns with these names; those that look like a value are never shown."""
        given = frozenset(names)
        return cls(frozenset(filter(looks_like_a_name, given)), bool(given))

    def shown(self, column: str) -> str:
        """A column that the connector itself found in a row."""
        if not self.has_schema and looks_like_a_name(column):
            return column
        return self.shown_field(column)

    def shown_field(self, field: str) -> str:
        """A field that a server names: a column, or a path of known words and columns (`attributes.plan`)."""
        if field in self.names or not field:
            return field
        shown: list[str] = []
        for level in field[:_MAX_CHARACTERS].split("."):
            word = level if level in self.names or _is_known(level) else HIDDEN
            if word == HIDDEN and shown[-1:] == [HIDDEN]:
                continue
            if len(shown) == _MAX_LEVELS:
                break
            shown.append(word)
        return ".".join(shown)

    def countable(self, rejection: Rejection) -> tuple[str, str]:
        """The reason and field that a row is counted by; both may be a server's."""
        return known_code(rejection.reason, "refused"), self.shown_field(rejection.field)


def _known_word(chunk: str) -> str:
    """A chunk without space, if all of it is known; of the punctuation around it, one mark at its end is kept."""
    word = chunk.strip(_PUNCTUATION)
    if not _is_known(word):
        return HIDDEN
    return word + chunk[-1] if chunk[-1] in _KEPT_MARKS else word


def _is_known(word: str) -> bool:
    """Whether a word is in the vocabulary, or consists of such words: `batch_index`, `AccessDenied`, `id/email`."""
    if len(word) == 1:  # the x of x-amz-acl is a value where it is alone
        return word in _ARTICLES
    if word in WORDS:
        return True
    if not word.isascii() or len(word) > _MAX_WORD_CHARACTERS:
        return False
    parts = [part for part in _SEPARATORS.split(word) if part]
    return bool(parts) and all(map(_is_known_part, parts))


def _is_known_part(part: str) -> bool:
    words = _CAMEL_WORDS.findall(part)
    return "".join(words) == part and all(word.lower() in WORDS for word in words)


def looks_like_a_name(column: str) -> bool:
    """Whether a column's name looks like a name, not like an address, a number, an id or a sequence of control codes."""
    return (
        _COLUMN_NAME.fullmatch(column) is not None
        and any(map(str.isalpha, column))
        and sum(map(str.isdigit, column)) <= _MAX_COLUMN_DIGITS
    )
