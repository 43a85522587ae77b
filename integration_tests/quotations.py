"""The ways in which a server may write a secret into an error."""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "title case": str.title,
    "first half": lambda text: text[: len(text) // 2],
    "second half": lambda text: text[len(text) // 2 :],
    "URL": lambda text: quote(text, safe=""),
    "HTML": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "HTML entities": html.escape,
    "JSON": json.dumps,
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "grouped": lambda text: re.sub(r"(\w{3})", r"\1 ", text),
    "with dashes": "-".join,
    "with zero width": "\u200b".join,
    "right to left": lambda text: f"\u202e{text[::-1]}\u202c",
    "with homoglyphs": lambda text: text.replace("a", "\u0430").replace("e", "\u0435"),
    "coloured": lambda text: f"\x1b[31m{text}\x1b[0m",
    "as a setting": lambda text: f"email={text}",
    "in a URL": lambda text: f"https://email:{text}@host/",
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON twice": lambda text: json.dumps(json.dumps(text)),
    "escaped": lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
    "punycode": lambda text: text.encode("punycode").decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "reversed": lambda text: text[::-1],
    "full width": lambda text: "".join(
        chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in text
    ),
    "zero-width joiner": "\u200d".join,
    "soft hyphens": "\u00ad".join,
    "quoted printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "camel case": lambda text: "".join(part.title() for part in re.split(r"\W+", text)),
    "snake case": lambda text: re.sub(r"\W+", "_", text).lower(),
    "as a path": "/".join,
    "swapped case": str.swapcase,
    "in a sentence": lambda text: f"The value {text} of email is invalid.",
}


def quotations_of(secrets: Iterable[str]) -> list[str]:
    """Every secret in every form."""
    return [form(secret) for secret in secrets for form in FORMS.values()]


def found_in(output: str, secrets: Iterable[str]) -> list[str]:
    """The forms of secrets that an output contains, in clear or with JSON escapes, in any case."""
    views = [output.casefold(), unicodedata.normalize("NFC", _unescaped(output)).casefold()]
    forms = (form for name, form in FORMS.items() if name != "in a sentence")
    return [
        written
        for form in forms
        for secret in secrets
        if any((written := form(secret)).casefold() in view for view in views)
    ]


def _unescaped(output: str) -> str:
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), output)
