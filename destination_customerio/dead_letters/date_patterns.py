"""Java's date patterns, as far as names of files need them: yyyy, MM, ...; text in single quotes is literal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from destination_customerio.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

_DATE_TOKEN = re.compile(r"'([^']*)'|(([A-Za-z])\3*)")
_DATE_FIELDS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def check_date_pattern(pattern: str) -> None:
    """Refuse letters that mean nothing here.

    Raises:
        ConfigError: the pattern has some.
    """
    for token in _DATE_TOKEN.finditer(pattern):
        if (letters := token[2]) and letters not in _DATE_FIELDS and letters != "SSS":
            raise ConfigError(
                "Invalid configuration: object_storage_config.file_name_format has a date pattern with the unknown letters "
                f"{letters}. Nothing was written. Use these: {', '.join(_DATE_FIELDS)}, SSS."
            )


def formatted_date(moment: datetime, pattern: str) -> str:
    """A moment in a Java date pattern: yyyy, MM, ...; text in single quotes is literal."""

    def one(token: re.Match[str]) -> str:
        if not token[2]:
            return token[1]
        return (
            f"{moment.microsecond // 1_000:03d}"
            if token[2] == "SSS"
            else moment.strftime(_DATE_FIELDS[token[2]])
        )

    return _DATE_TOKEN.sub(one, pattern)
