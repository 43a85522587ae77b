"""Errors, named by what the sync does next.

SyncError                 ends the command; its message is a sentence for the person who must act
├── ConfigError           the user must change something; a retry would fail the same way
├── TransientError        nothing is wrong with the configuration or the rows; the platform should retry
└── ProtocolError         the input on stdin is invalid, or an answer is unexpected: a bug somewhere

Rejection                 one row can't be sent; the sync continues without it

Messages never contain a row's value or a credential: they end up in logs and in the platform's database.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from destination_customerio.machine_limits import exceeded_limit

if TYPE_CHECKING:
    from collections.abc import Mapping


class SyncError(Exception):
    """Ends the command with one TRACE ERROR of `failure_type`, whose text is `str(error)`.

    internal_message  for the connector's developers; as free of values as the message
    """

    failure_type: ClassVar[str] = "system_error"

    def __init__(self, message: str, internal_message: str | None = None) -> None:
        super().__init__(message)
        self.internal_message = internal_message or type(self).__name__


class ConfigError(SyncError):
    """The user must change the configuration, the account or the bucket."""

    failure_type = "config_error"


class TransientError(SyncError):
    """The network, Customer.io or S3 did not answer in time; a later attempt may succeed."""

    failure_type = "transient_error"


class ProtocolError(SyncError):
    """Input that is not the Airbyte protocol, or an unexpected answer of the Track API."""

    failure_type = "system_error"


class Rejection(Exception):  # noqa: N818 - the protocol's own term: rejectedRecordCount
    """Why one row can't be sent.

    All three may be Customer.io's own words, in which it may quote the row. They are stored next to the row as they are;
    logs have reason and field only, through `foreign_text`.

    reason   one word for counting: `required`, `invalid`, `too_large`, or Customer.io's own reason
    field    the column at fault, as the row spells it; empty if there is no single one
    message  a sentence for the owner of the row
    """

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.message = message

    def in_row(self, sources: Mapping[str, str]) -> Rejection:
        """The same, with the column as the row spells it; `sources` has the source by destination column."""
        source = sources.get(self.field)
        if not source:
            return self
        message = f"{self.message} ({self.field} is mapped from {source}.)"
        return Rejection(self.reason, source, message)


SYNC_RESUMES = "Rows before the last acknowledged state are delivered; later rows will be sent again."


def unexpected(error: BaseException, meaning: str = SYNC_RESUMES) -> SyncError:
    """The error for an unexpected exception: the machine's limit behind it, or its type and where it was raised.

    Never its text.

    Args:
        error: the exception
        meaning: a sentence about the consequences for the rows
    """
    places = traceback.extract_tb(error.__traceback__)
    where = " <- ".join(
        f"{Path(place.filename).name}:{place.lineno} {place.name}" for place in reversed(places)
    )
    if limit := exceeded_limit(error):
        return SyncError(limit.sentences(meaning), where)
    return SyncError(
        f"Unexpected error ({type(error).__name__}). {meaning} Please report this with the connector's version.",
        where,
    )
