"""What to do next about rejected rows, by the reason they were rejected for."""

from __future__ import annotations

import shlex
from typing import NamedTuple

_COMMAND = "destination-customerio"


class Advice(NamedTuple):
    """A sentence for the person who must act, and a command to type; "" if none helps."""

    text: str
    command: str


_BY_REASON = {
    "required": "{Column} is missing or blank in these rows. Fill it in the source, or map another column to it in the "
    "connection.",
    "invalid": "Customer.io can't use {column} as it is. Look at one of the rows, correct it in the source, or map another "
    "column to it in the connection.",
    "too_large": "{Column} is larger than Customer.io accepts. Shorten it in the source, or leave the column out of the "
    "connection.",
    "blocked": "A firewall or proxy between Airbyte and Customer.io blocks these rows. Ask its owner to let requests to "
    "Customer.io's Track API pass.",
}
_OTHERWISE = "Customer.io refused these rows. Its own words are beside each row in the bucket; correct the rows in the source."
_THEN_REPLAY = "Or correct the rows in the bucket's files; then send them again:"
_THEN_TRY = "Then try the mapping again, on a few rows:"


def advice_for_dry_run(reason: str, column: str) -> Advice:
    """Advice about rows that a sync would reject."""
    command = (
        f"{_COMMAND} write --dry-run --sample 3 --limit-rows 1000 --config config.json --catalog catalog.json"
    )
    return Advice(f"{_sentence(reason, column)} {_THEN_TRY}", command)


def advice_for_stored_rows(reason: str, column: str, stream: str) -> Advice:
    """Advice about rejected rows in the bucket."""
    command = f"{_COMMAND} replay --config config.json --catalog catalog.json"
    # A name with other characters, such as a terminal's commands, must not be typed or pasted.
    if stream.isprintable() and not stream.startswith("("):
        # A name that looks like an option must be part of this one.
        command += f" --stream{'=' if stream.startswith('-') else ' '}{shlex.quote(stream)}"
    return Advice(f"{_sentence(reason, column)} {_THEN_REPLAY}", command)


def _sentence(reason: str, column: str) -> str:
    sentence = _BY_REASON.get(reason, _OTHERWISE)
    name = f"the column {column}" if column else "the row as a whole"
    return sentence.format(column=name, Column=name[0].upper() + name[1:])
