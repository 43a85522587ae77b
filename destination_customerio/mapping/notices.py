"""Notices for the log about the columns of a stream's rows; each column is reported once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection

# Rows built from maps may bring new column names without end, of any length; the memory for them must be bounded.
_MAX_NAMES = 100
_MAX_NAME_CHARACTERS = 200
# An event attribute of these names changes where Customer.io sends the mails of a campaign.
MAIL_ATTRIBUTES = frozenset({"recipient", "from_address", "reply_to"})


@dataclass(frozen=True, slots=True)
class MailAttributes:
    """Attributes of events that Customer.io uses to address the emails that these events trigger."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IgnoredColumns:
    """Columns that the destination object ignores; they are not sent.

    is_last  whether the limit of reported columns is reached; further ones are ignored without a notice
    """

    names: tuple[str, ...]
    is_last: bool


@dataclass(frozen=True, slots=True)
class RefusedAttributes:
    """Columns that Customer.io refuses as attributes; they are left out."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnclearBooleans:
    """Attributes that have to be true or false, with a value that is neither; it is sent as it is.

    is_last  as for `IgnoredColumns`
    """

    names: tuple[str, ...]
    is_last: bool


@dataclass(frozen=True, slots=True)
class UnreadableTimes:
    """How many values of which columns could not be converted to unix seconds; they were sent as they are."""

    values: Counter[str]


Notice = MailAttributes | IgnoredColumns | RefusedAttributes | UnclearBooleans | UnreadableTimes


class ColumnNames:
    """Names of columns, each to be taken once: at most a hundred, each cut to 200 characters."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._new: list[str] = []

    @property
    def is_full(self) -> bool:
        """Whether no further name is added."""
        return len(self._seen) == _MAX_NAMES

    def add(self, names: Collection[str]) -> None:
        """Keep new names, in their order, while there is room."""
        if self.is_full or self._seen.issuperset(names):
            return
        for name in names:
            shown = name[:_MAX_NAME_CHARACTERS]
            if shown not in self._seen and not self.is_full:
                self._seen.add(shown)
                self._new.append(shown)

    def take(self) -> tuple[str, ...]:
        """The names that no earlier call returned, sorted."""
        taken, self._new = tuple(sorted(self._new)), []
        return taken
