"""A file of rejected rows in the bucket, as one version of an object."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from destination_customerio.dead_letters.keys import REPLAYED
from destination_customerio.dead_letters.labels import Label, read_label

# Metadata of replayed rows: the version of the file that they came from.
SOURCE = "replayed-from"
_DIGITS = re.compile("[0-9]+")


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """One version of a file of rejected rows.

    rest       the key below the bucket path
    stored_at  milliseconds since 1970
    size       in bytes; 0 when unknown, as proxies lose it in answers to HEAD
    """

    key: str
    rest: str
    etag: str
    stored_at: int
    content_type: str
    metadata: dict[str, str] = field(repr=False)
    size: int = 0

    @property
    def label(self) -> Label | None:
        """Its label, if it has one."""
        return read_label(self.metadata)

    @property
    def is_replayed(self) -> bool:
        """Whether it has the rows that a replay has sent, perhaps of a connection whose bucket path is below ours."""
        return SOURCE in self.metadata and f"/{REPLAYED}/" in f"/{self.rest}"

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts files in the order in which they were written: by the start of the sync, then by the number in it.

        A partially replayed file keeps its label, and so its place. Without a label the time of storing counts, in
        whole seconds, and then the key, with its digits compared as numbers.
        """
        natural = _DIGITS.sub(lambda digits: digits[0].zfill(20), self.key)
        label = self.label
        return (label.started_at, label.number, natural) if label else (self.stored_at, 0, natural)
