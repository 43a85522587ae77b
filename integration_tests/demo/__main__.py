"""Runs spec, check, discover and write of the installed console script over the shipped rows, and reports."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import boto3
from moto.server import ThreadedMotoServer

from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
    stream_state,
)
from integration_tests.demo import report
from integration_tests.demo.expected import STREAMS
from integration_tests.demo.outcome import Outcome, problems, read_rejected
from integration_tests.track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client

_BUCKET = "demo-rejected-rows"
_SYNC_ID = 42
_ROWS_PER_STATE = 1_000


def main() -> int:
    """Run the demo; returns 1 when anything is missing in the end."""
    started_at = time.monotonic()
    with LocalTrackApi() as api, _local_s3() as (client, endpoint):
        print(f"A local Track API listens at {api.url}, a local S3 at {endpoint}.")
        print("Nothing leaves this machine.")
        config = config_for(api.url, object_storage_config=_storage(endpoint))
        _show_commands(config)
        written = _write(config)
        outcome = Outcome(
            exit_code=written.exit_code,
            people=[person.to_json() for person in api.world.profiles()],
            events=[event.to_json() for event in api.world.events],
            traffic=api.report(),
            states=written.states,
            rejected=list(read_rejected(client, _BUCKET)),
        )
    for line in report.lines(outcome):
        print(line)
    found = [*problems(outcome), *(error["message"] for error in written.errors)]
    seconds = time.monotonic() - started_at
    print()
    for problem in found:
        print(f"MISSING: {problem}")
    if found:
        return 1
    print(f"Nothing is missing: every row is either with the server or in the bucket ({seconds:.0f} s).")
    return 0


def _show_commands(config: dict[str, Any]) -> None:
    spec = run_connector("spec").of_type("SPEC")[0]
    fields = spec["connectionSpecification"]["properties"]
    print(
        f"\nspec      {len(fields)} settings, of which {', '.join(spec['connectionSpecification']['required'])} is required"
    )
    check = run_connector("check", config).of_type("CONNECTION_STATUS")[0]
    print(f"check     {check['status']} {check.get('message', '')}".rstrip())
    catalog = run_connector("discover", config).of_type("DESTINATION_CATALOG")[0]
    names = [operation["object_name"] for operation in catalog["operations"]]
    print(f"discover  {len(names)} destination objects: {', '.join(names[:3])}, ...")


def _write(config: dict[str, Any]) -> Finished:
    catalog = catalog_of(*(stream(each.name, each.object_name, sync_id=_SYNC_ID) for each in STREAMS))
    print("write     ", end="", flush=True)
    finished = run_connector("write", config, catalog, _messages())
    for line in finished.logs:
        if line.startswith("Stream") and "rows read" in line:
            print(line.partition(" [")[0].rstrip("."), end="\n          ")
    print(f"exit code {finished.exit_code}")
    return finished


def _messages() -> Iterator[bytes]:
    """Both streams' rows, by turns as a busy source sends them, with a state after each thousand of a stream."""
    waiting = {each.name: each.rows() for each in STREAMS}
    sent = dict.fromkeys(waiting, 0)
    while any(waiting.values()):
        for name, rows in waiting.items():
            chunk, waiting[name] = rows[:_ROWS_PER_STATE], rows[_ROWS_PER_STATE:]
            yield from (record(name, row) for row in chunk)
            sent[name] += len(chunk)
            if chunk:
                yield stream_state(name, sent[name])


def _storage(endpoint: str) -> dict[str, Any]:
    return {
        "storage_type": "S3",
        "s3_bucket_name": _BUCKET,
        "s3_bucket_region": "us-east-1",
        "bucket_path": "customerio/rejected",
        "access_key_id": "demo",
        "secret_access_key": "demo",
        "s3_endpoint": endpoint,
        "compression": {"compression_type": "GZIP"},
    }


@contextlib.contextmanager
def _local_s3() -> Iterator[tuple[S3Client, str]]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="demo",
        aws_secret_access_key="demo",
    )
    try:
        client.create_bucket(Bucket=_BUCKET)
        yield client, endpoint
    finally:
        client.close()
        server.stop()


if __name__ == "__main__":
    # The local S3 would log each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # Proxies and profiles of the machine have no business with servers on loopback.
    os.environ.update(NO_PROXY="127.0.0.1", AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE=os.devnull)
    sys.exit(main())
