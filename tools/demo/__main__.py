"""Runs the commands of the installed console script on the sample rows, and prints a report.

Exits with 0 if every row is accounted for, otherwise with 1 and a sentence for each problem.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

from integration_tests.command_line import run_command
from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    stream_state,
)
from tools.demo import report
from tools.demo.expected import ROWS_PER_STATE, STREAMS
from tools.demo.outcome import AcknowledgedState, Outcome, problems, read_rejected
from tools.demo.servers import BUCKET, DemoError, forget_the_machine, local_s3, local_track_api

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_SYNC_ID = 42
# Two lanes instead of the default eight, so that the few rows fill their requests.
_LANES = 2
_REPORTS = Path("build") / "demo"
# Shows a spinner on a terminal, and nothing elsewhere.
_CONSOLE = Console()
# The demo takes about ten seconds.
_GIVE_UP_SECONDS = 300


def main() -> int:
    """Run the demo; returns the exit code."""
    started_at = time.monotonic()
    # SIGINT too: a process that a shell starts in the background inherits it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_GIVE_UP_SECONDS)
    forget_the_machine()
    try:
        outcome = run()
    except DemoError as error:
        print(f"\nFAILED: {error}")
        return 1
    except subprocess.TimeoutExpired:
        print("\nFAILED: The connector did not exit.")
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The local servers and the connector have exited.")
        return 130
    for line in report.lines(outcome):
        print(line)
    return conclude(problems(outcome), time.monotonic() - started_at)


def run() -> Outcome:
    """Start the servers, run the four commands, and collect the results.

    Raises:
        DemoError: a command failed.
    """
    with local_track_api() as api, local_s3() as (client, endpoint):
        print(f"Local Track API at {api.url}, local S3 at {endpoint}.")
        print("Nothing leaves this machine.\n")
        config = config_for(api.url, max_concurrent_requests=_LANES, object_storage_config=_storage(endpoint))
        _show_spec()
        _show_check(config)
        _show_discover(config)
        _show_dry_run(config)
        written = _show_write(config)
        _show_rejected(config)
        return Outcome(
            people=api.everything("people"),
            events=api.everything("events"),
            traffic=api.report(),
            states=[AcknowledgedState.of(state) for state in written.states],
            rejected=list(read_rejected(client, BUCKET)),
        )


def conclude(found: list[str], seconds: float) -> int:
    """Print the verdict; returns the exit code."""
    print()
    if found:
        for problem in found:
            print(textwrap.fill(f"MISSING: {problem}", report.WIDTH, subsequent_indent=" " * 9))
        return 1
    rows = sum(len(each.rows) for each in STREAMS)
    print(f"Nothing is missing: each of {rows:,} rows is at the server or in the bucket, as expected.")
    print(f"Took {seconds:.0f} s. The local servers have been stopped.")
    print("\nOpen these reports in a browser:")
    print(f"  {report_path('dry-run')}   what becomes of each column and row")
    print(f"  {report_path('rejected')}  why rows were rejected, and what to do next")
    return 0


def report_path(name: str) -> Path:
    """Where a report of the demo is; its folder exists."""
    _REPORTS.mkdir(parents=True, exist_ok=True)
    return _REPORTS / f"{name}.html"


def _show_spec() -> None:
    specification = _only(_run("spec"), "SPEC")["connectionSpecification"]
    print(
        f"spec      {len(specification['properties'])} settings, "
        f"required: {', '.join(specification['required'])}"
    )


def _show_check(config: Mapping[str, Any]) -> None:
    status = _only(_run("check", config), "CONNECTION_STATUS")
    if status["status"] != "SUCCEEDED":
        raise DemoError(f"The check failed: {status['message']}")
    print("check     SUCCEEDED: credentials, region and bucket work")


def _show_discover(config: Mapping[str, Any]) -> None:
    operations = _only(_run("discover", config), "DESTINATION_CATALOG")["operations"]
    names = list(dict.fromkeys(operation["object_name"] for operation in operations))
    print(f"discover  {len(names)} destination objects: {', '.join(names[:3])}, ...")


def _show_dry_run(config: Mapping[str, Any]) -> None:
    arguments = "--dry-run", "--sample", "2", "--report", str(report_path("dry-run"))
    _run("write", config, _catalog(), _messages(), arguments)
    print("dry run   what the sync will do, before anything is sent (see the first report below)")


def _show_rejected(config: Mapping[str, Any]) -> None:
    done = run_command("rejected", config, None, "--report", str(report_path("rejected")))
    if done.exit_code:
        raise DemoError(f"'rejected' exited with code {done.exit_code}. {done.stderr}".rstrip())
    print("rejected  why rows were rejected (see the second report below)")


def _show_write(config: Mapping[str, Any]) -> Finished:
    title = "write"
    for each in STREAMS:
        print(f"{title:<10}stream {each.name} to {each.object_name}: {len(each.rows):,} rows")
        title = ""
    print(
        f"          {_LANES} concurrent requests instead of the default 8, which so few rows would not fill"
    )
    return _run("write", config, _catalog(), _messages())


def _catalog() -> dict[str, Any]:
    return catalog_of(*(stream(each.name, each.object_name, sync_id=_SYNC_ID) for each in STREAMS))


def _run(
    command: str,
    config: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Any] | None = None,
    lines: Iterable[bytes] = (),
    arguments: Sequence[str] = (),
) -> Finished:
    """Run one command of the console script; on a terminal, with a sign of life.

    Raises:
        DemoError: it failed.
    """
    with _CONSOLE.status(f"{command} ..."):
        finished = run_connector(command, config, catalog, lines, arguments=arguments)
    if finished.exit_code != 0:
        said = [error["message"] for error in finished.errors] or [finished.stderr]
        raise DemoError(f"'{command}' exited with code {finished.exit_code}. {' '.join(said)}".rstrip())
    return finished


def _only(finished: Finished, kind: str) -> dict[str, Any]:
    messages = finished.of_type(kind)
    if len(messages) != 1:
        raise DemoError(f"A command wrote {len(messages)} messages of type {kind}, expected one.")
    return messages[0]


def _messages() -> Iterator[bytes]:
    """The rows of both streams, interleaved as by a concurrent source, with a state after every thousand rows of a stream."""
    most = max(len(each.rows) for each in STREAMS)
    for start in range(0, most, ROWS_PER_STATE):
        for each in STREAMS:
            rows = each.rows[start : start + ROWS_PER_STATE]
            yield from (record(each.name, row) for row in rows)
            if rows:
                yield stream_state(each.name, start + len(rows))


def _storage(endpoint: str) -> dict[str, Any]:
    return {
        "storage_type": "S3",
        "s3_bucket_name": BUCKET,
        "s3_bucket_region": "us-east-1",
        "bucket_path": "customerio/rejected",
        "access_key_id": "demo",
        "secret_access_key": "demo",
        "s3_endpoint": endpoint,
        "compression": {"compression_type": "GZIP"},
    }


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _give_up(*_: object) -> NoReturn:
    raise DemoError(f"The demo did not finish within {_GIVE_UP_SECONDS} s and was stopped.")


if __name__ == "__main__":
    sys.exit(main())
