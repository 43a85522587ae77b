"""What people see of a dry run: a table for each sampled row on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from destination_customerio.descriptors import STDOUT, DescriptorWriter, say_on_stderr
from destination_customerio.exact_json.codec import encode
from destination_customerio.masking import printable
from destination_customerio.wording import reason_with_column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from destination_customerio.airbyte.output import Output
    from destination_customerio.exact_json.codec import JsonObject


_SAMPLE_ON_A_TERMINAL = 3


class View(Protocol):
    """Shows a dry run. Not thread-safe; owned by the coordinator thread.

    default_sample  how many rows of each stream and outcome to show unless the command line says so
    """

    default_sample: int

    def info(self, text: str) -> None:
        """Log progress."""

    def warn(self, text: str) -> None:
        """Log something unusual."""

    def show(self, document: JsonObject) -> None:
        """Show what was found."""


class TerminalView:
    """Lines and tables on a terminal."""

    default_sample = _SAMPLE_ON_A_TERMINAL

    def info(self, text: str) -> None:
        """See `View`."""
        print(printable(text), flush=True)

    def warn(self, text: str) -> None:
        """See `View`."""
        self.info(f"WARNING: {text}")

    def show(self, document: JsonObject) -> None:
        """See `View`."""
        show_samples(document)


class JsonView:
    """One JSON document on stdout; the log goes to stderr."""

    default_sample = 0

    def info(self, text: str) -> None:
        """See `View`."""
        say_on_stderr(printable(text))

    def warn(self, text: str) -> None:
        """See `View`."""
        self.info(f"WARNING: {text}")

    def show(self, document: JsonObject) -> None:
        """See `View`."""
        # UTF-8 whatever the locale.
        DescriptorWriter(STDOUT).write(encode(document) + b"\n")


class ProtocolView:
    """Messages of the Airbyte protocol: each line is a LOG."""

    default_sample = 0

    def __init__(self, output: Output) -> None:
        self._output = output

    def info(self, text: str) -> None:
        """See `View`."""
        self._output.info(text)

    def warn(self, text: str) -> None:
        """See `View`."""
        self._output.warn(text)

    def show(self, document: JsonObject) -> None:
        """See `View`."""
        for line in sample_lines(document):
            self._output.info(line)


def sample_lines(document: JsonObject) -> Iterator[str]:
    """The sampled rows of a dry run's document, a few lines each."""
    for stream in document["streams"]:
        for number, sample in enumerate(stream["samples"], 1):
            head = f"Stream {stream['stream']}, sample {number}, {_outcome(sample)}"
            yield printable(f"{head}: {_json(sample['row'])}")
            match sample["outcome"]:
                case "would be sent":
                    yield printable(f"  becomes {stream['object']}: {_json(sample['entry'])}")
                    if sample["note"]:
                        yield f"  {sample['note']}"
                    for use in sample["columns"]:
                        if use["use"] != "attribute" or use["column"] != use["becomes"]:
                            yield printable(f"  {_use(use)}")
                case "rejected":
                    yield printable(f"  {sample['message']}")


def show_samples(document: JsonObject) -> None:
    """Print the sampled rows as tables on a terminal."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    for stream in document["streams"]:
        for number, sample in enumerate(stream["samples"], 1):
            _show_sample(console, stream, number, sample)


def _show_sample(console: Console, stream: dict[str, Any], number: int, sample: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    title = f"{stream['stream']} to {stream['object']}, sample {number}: {_outcome(sample)}"
    console.print(Text(f"\n{printable(title)}", style="bold"))
    table = Table()
    table.add_column("column", overflow="fold")
    table.add_column("as it came", overflow="fold")
    row = sample["row"] or {}
    if sample["outcome"] != "would be sent":
        for name, value in row.items():
            style = "red" if name == sample.get("field") else ""
            table.add_row(*(Text(printable(cell), style=style) for cell in (name, _json(value))))
        console.print(table)
        if sample["outcome"] == "rejected":
            console.print(Text(printable(sample["message"]), style="red"))
        return
    table.add_column("becomes", overflow="fold")
    for use in sample["columns"]:
        value = _json(row[use["column"]]) if use["column"] in row else ""
        cells = use["column"] or "(constant)", value, _fate(use)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
    console.print(Text(printable(_json(sample["entry"])), style="dim"))
    if sample["note"]:
        console.print(Text(sample["note"]))


def _outcome(sample: dict[str, Any]) -> str:
    match sample["outcome"]:
        case "rejected":
            return f"would be rejected, {reason_with_column(sample['reason'], sample['field'])}"
        case "skipped":
            return f"would be skipped, {sample['reason']}"
        case outcome:
            return str(outcome)


def _use(use: dict[str, Any]) -> str:
    return f"{use['column'] or '(constant)'}: {_fate(use)}"


def _fate(use: dict[str, Any]) -> str:
    note = f"({use['note']})" if use["note"] else ""
    return " ".join(filter(None, (use["use"], use["becomes"], note)))


def _json(value: Any) -> str:
    return encode(value).decode()
