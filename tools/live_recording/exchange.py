"""Requests with their answers, and the file that holds them: JSON Lines, a header first."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from destination_customerio import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; bodies as text, headers only where they say something.

    retry_after  the answer's Retry-After header, if any
    """

    method: str
    path: str
    request: str
    status: int
    answer: str
    retry_after: str | None = None


def write_recording(file: Path, exchanges: Iterable[Exchange], recorded_on: str) -> None:
    """Write a file of scrubbed exchanges; `recorded_on` is a date."""
    header = {"format": FORMAT, "connector": __version__, "recorded_on": recorded_on}
    lines = [header, *(asdict(exchange) for exchange in exchanges)]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def read_recording(file: Path) -> list[Exchange]:
    """The exchanges of a file.

    Raises:
        ValueError: the file has another format.
    """
    header, *lines = map(_object, file.read_text().splitlines())
    if header.get("format") != FORMAT:
        raise ValueError(f"{file.name} is not a recording of the format {FORMAT}")
    return [Exchange(**line) for line in lines]


def _object(line: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(line)
    return value
