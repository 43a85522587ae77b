"""Runs the installed console script as Airbyte does: a process, arguments, pipes."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sysconfig
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from integration_tests.process_memory import peak_kib

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

SCRIPT = Path(sysconfig.get_path("scripts")) / "destination-customerio"

# Long enough for a machine under load; a test that gets here has failed.
PATIENCE_SECONDS = 120.0

Message = dict[str, Any]


@dataclass(slots=True)
class Finished:
    """A command that has ended: its messages in order, its exit code, and what it wrote to stderr."""

    messages: list[Message]
    exit_code: int
    stderr: str
    lines: list[bytes] = field(default_factory=list)

    def of_type(self, kind: str) -> list[Message]:
        """The contents of all messages of one type."""
        key = {"CONNECTION_STATUS": "connectionStatus"}.get(kind, kind.lower())
        return [message[key] for message in self.messages if message["type"] == kind]

    @property
    def states(self) -> list[Message]:
        """The acknowledged states, in order."""
        return self.of_type("STATE")

    @property
    def logs(self) -> list[str]:
        """The texts of the log messages."""
        return [log["message"] for log in self.of_type("LOG")]

    @property
    def errors(self) -> list[Message]:
        """What the TRACE ERROR messages say: message and failure_type."""
        return [trace["error"] for trace in self.of_type("TRACE") if trace["type"] == "ERROR"]

    @property
    def error(self) -> Message:
        """The one TRACE ERROR of a failed command."""
        (error,) = self.errors
        return error

    def failure(self, failure_type: str) -> str:
        """The message of a command that failed as one has to: exit code 1, one TRACE ERROR, nothing on stderr."""
        assert (self.exit_code, self.error["failure_type"], self.stderr) == (1, failure_type, "")
        message: str = self.error["message"]
        return message


# All runs of this process so far, for checks that hold of every run. Whoever looks at it empties it first.
finished_runs: list[Finished] = []


class Connector:
    """One run of the console script. Its stdin is open until `finish` or `close_stdin`."""

    def __init__(
        self,
        command: str,
        config: Mapping[str, Any] | None = None,
        catalog: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._folder = TemporaryDirectory(prefix="connector-")
        command_line = [str(SCRIPT), command, *arguments]
        for name, content in (("config", config), ("catalog", catalog)):
            if content is not None:
                path = Path(self._folder.name) / f"{name}.json"
                path.write_text(json.dumps(content))
                command_line += [f"--{name}", str(path)]
        self.process = subprocess.Popen(
            command_line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        self._new: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._lines: list[bytes] = []
        self._messages: list[Message] = []
        self._stderr: list[bytes] = []
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self._collect()
        self._folder.cleanup()

    def send(self, lines: Iterable[bytes]) -> None:
        """Write lines to stdin; a connector that no longer reads is no error here."""
        assert self.process.stdin is not None
        try:
            for line in lines:
                self.process.stdin.write(line if line.endswith(b"\n") else line + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return

    def send_piece(self, piece: bytes) -> None:
        """Write bytes to stdin as they are, and let the connector have them now."""
        assert self.process.stdin is not None
        self.process.stdin.write(piece)
        self.process.stdin.flush()

    def close_stdin(self) -> None:
        """Say that nothing more will come."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            return

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    @property
    def peak_memory_kib(self) -> int:
        """The most memory that the process has held at once, so far."""
        return peak_kib(self.process.pid)

    def messages(self, kind: str) -> Iterator[Message]:
        """Messages of one type as they come, until the connector closes stdout."""
        while (message := self._new.get(timeout=PATIENCE_SECONDS)) is not None:
            if message["type"] == kind:
                yield message[kind.lower()]

    def next_message(self, kind: str) -> Message:
        """Wait for the next message of one type."""
        return next(self.messages(kind))

    def finish(self) -> Finished:
        """Close stdin and wait for the end."""
        self.close_stdin()
        return self.wait()

    def wait(self) -> Finished:
        """Wait for the end without closing stdin."""
        exit_code = self.process.wait(PATIENCE_SECONDS)
        self._collect()
        finished = Finished(self._messages, exit_code, b"".join(self._stderr).decode(), self._lines)
        finished_runs.append(finished)
        return finished

    def _collect(self) -> None:
        self.process.wait(PATIENCE_SECONDS)
        for reader in self._readers:
            reader.join(PATIENCE_SECONDS)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            if pipe is self.process.stdin:
                self.close_stdin()
            else:
                pipe.close()

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
            self._messages.append(json.loads(line))
            self._new.put(self._messages[-1])
        self._new.put(None)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        self._stderr.extend(self.process.stderr)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread or process."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for has not happened"
        time.sleep(0.01)


def run_connector(
    command: str,
    config: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
    lines: Iterable[bytes] = (),
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> Finished:
    """Run one command to its end."""
    with Connector(command, config, catalog, environment, arguments) as connector:
        connector.send(lines)
        return connector.finish()


def run_at_once(runs: Mapping[str, Callable[[], Finished]]) -> dict[str, Finished]:
    """Run commands that have nothing to do with each other side by side: most of a short one is its start."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        started = {name: pool.submit(run) for name, run in runs.items()}
        return {name: run.result() for name, run in started.items()}


def config_for(url: str, **more: Any) -> dict[str, Any]:
    """A configuration for a local Track API with its default credentials."""
    return {"credentials": {"siteId": "site", "apiKey": "key"}, "track_api_url": url, **more}


def catalog_of(*streams: Mapping[str, Any]) -> dict[str, Any]:
    """A configured catalog."""
    return {"streams": list(streams)}


def stream(
    name: str,
    destination_object: str | None = None,
    *,
    namespace: str | None = None,
    properties: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A configured stream; `more` is added to the stream's own members (`sync_id`, `generation_id`)."""
    configured: dict[str, Any] = {
        "stream": {
            "name": name,
            "json_schema": {"type": "object", "properties": dict(properties or {})},
            "supported_sync_modes": ["full_refresh", "incremental"],
        },
        "sync_mode": "full_refresh",
        "destination_sync_mode": "append",
        **more,
    }
    if namespace is not None:
        configured["stream"]["namespace"] = namespace
    if destination_object is not None:
        configured["destination_object_name"] = destination_object
    return configured


def record(
    stream_name: str,
    data: Mapping[str, Any],
    *,
    namespace: str | None = None,
    emitted_at: int = 1_764_000_000_000,
) -> bytes:
    """A RECORD message."""
    content: dict[str, Any] = {"stream": stream_name, "data": data, "emitted_at": emitted_at}
    if namespace is not None:
        content["namespace"] = namespace
    return json.dumps({"type": "RECORD", "record": content}).encode()


def stream_state(
    stream_name: str, cursor: object, *, namespace: str | None = None, state_id: int | None = None
) -> bytes:
    """A STATE message of one stream."""
    descriptor = {"name": stream_name} | ({"namespace": namespace} if namespace is not None else {})
    state: dict[str, Any] = {
        "type": "STREAM",
        "stream": {"stream_descriptor": descriptor, "stream_state": {"cursor": cursor}},
    }
    if state_id is not None:
        state["id"] = state_id
    return json.dumps({"type": "STATE", "state": state}).encode()


def global_state(cursor: object) -> bytes:
    """A STATE message of all streams."""
    state = {"type": "GLOBAL", "global": {"shared_state": {"cursor": cursor}, "stream_states": []}}
    return json.dumps({"type": "STATE", "state": state}).encode()


def cursors(states: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What the given STREAM states say of their cursors."""
    return [state["stream"]["stream_state"]["cursor"] for state in states]
