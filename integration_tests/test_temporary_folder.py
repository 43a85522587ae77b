"""A machine without a folder for temporary files: what fits in memory works, and everything else says what is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import (
    PATIENCE_SECONDS,
    SCRIPT,
    catalog_of,
    config_for,
    record,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"))
KEY = "customerio/rejected/42/users/2026_11_24_1_0.jsonl"
# Everything that is mounted, as far as it can be.
READ_ONLY = "for each in / /tmp /var/tmp /usr/tmp; do mount -o remount,bind,ro $each 2>/dev/null; done; ! touch x 2>/dev/null"
FULL = "mount -t tmpfs -o size=64k none full && export TMPDIR=full"
GONE = "export TMPDIR=/proc/gone TEMP=/proc/gone TMP=/proc/gone"


def reason_to_skip() -> str:
    """Why no mount can be changed here; empty if one can."""
    if shutil.which("unshare") is None:
        return "There is no unshare command to change mounts with."
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)  # noqa: S607
    return "" if done.returncode == 0 else "This user may not change mounts."


SKIP_REASON = reason_to_skip()
pytestmark = pytest.mark.skipif(bool(SKIP_REASON), reason=SKIP_REASON)


def run(
    folder: Path, config: dict[str, Any], machine: str, command: str, lines: list[bytes] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command on a machine that a shell has prepared."""
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "catalog.json").write_text(json.dumps(CATALOG))
    (folder / "full").mkdir(exist_ok=True)
    words = [str(SCRIPT), command, "--config", "config.json"]
    words += ["--catalog", "catalog.json"] if command in ("write", "replay") else []
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", f'{machine} && exec "$@"', "sh", *words],  # noqa: S607
        cwd=folder,
        input=b"\n".join([*(lines or ()), b""]),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def messages(done: subprocess.CompletedProcess[bytes], kind: str, member: str) -> list[dict[str, Any]]:
    """The contents of all messages of one type."""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [message[member] for message in found if message["type"] == kind]


def rejected_rows(number: int) -> list[bytes]:
    """Rows without an identifier, of about a kilobyte."""
    return [record("users", {"person_email": None, "n": n, "x": "x" * 1_000}) for n in range(number)]


MACHINES = {
    READ_ONLY: "There is no writable folder for temporary files",
    FULL: "No space left on device",
}


@pytest.mark.parametrize(("machine", "words"), MACHINES.items())
def test_check_finds_that_no_temporary_file_can_be_written(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path, machine: str, words: str
) -> None:
    """Only where a bucket is configured, as nothing else needs one."""
    config = config_for(api.url, object_storage_config=bucket.config())
    (status,) = messages(run(tmp_path, config, machine, "check"), "CONNECTION_STATUS", "connectionStatus")
    assert status["status"] == "FAILED"
    assert words in status["message"]
    (status,) = messages(
        run(tmp_path, config_for(api.url), machine, "check"), "CONNECTION_STATUS", "connectionStatus"
    )
    assert status == {"status": "SUCCEEDED"}


def test_a_temporary_folder_that_is_gone_is_no_problem_where_another_works(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path
) -> None:
    """Python then takes /tmp."""
    config = config_for(api.url, object_storage_config=bucket.config())
    (status,) = messages(run(tmp_path, config, GONE, "check"), "CONNECTION_STATUS", "connectionStatus")
    assert status == {"status": "SUCCEEDED"}


@pytest.mark.parametrize("compression", ["No Compression", "GZIP"])
def test_rejected_rows_that_fit_in_memory_are_stored_counted_and_replayed_without_a_folder(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path, compression: str
) -> None:
    """Most syncs reject few rows."""
    layout = {"format_type": "JSONL", "compression": {"compression_type": compression}}
    config = config_for(api.url, object_storage_config=bucket.config(format=layout))
    done = run(tmp_path, config, READ_ONLY, "write", [*rejected_rows(20), stream_state("users", 1)])
    assert (done.returncode, len(messages(done, "STATE", "state"))) == (0, 1)
    assert b"20 rejected rows in 1 file." in run(tmp_path, config, READ_ONLY, "rejected").stdout
    done = run(tmp_path, config, READ_ONLY, "replay")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"0 rows accepted, 20 rejected again." in done.stdout


@pytest.mark.parametrize(("machine", "words"), MACHINES.items())
def test_more_rejected_rows_than_that_end_with_a_sentence(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path, machine: str, words: str
) -> None:
    """No row is acknowledged that was not stored, and no file in the bucket is changed."""
    config = config_for(api.url, object_storage_config=bucket.config())
    done = run(tmp_path, config, machine, "write", [*rejected_rows(300), stream_state("users", 1)])
    assert (done.returncode, messages(done, "STATE", "state")) == (1, [])
    (trace,) = messages(done, "TRACE", "trace")
    assert words in trace["error"]["message"]

    row = b'{"_airbyte_raw_id":"r","_airbyte_data":{"person_email":null,"x":"' + b"x" * 1_000 + b'"}}\n'
    bucket.client.put_object(Bucket=bucket.name, Key=KEY, Body=row * 300)
    for command in ("rejected", "replay"):
        done = run(tmp_path, config, machine, command)
        assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
        assert words in done.stderr.decode()
        assert "no rejected row in the bucket is lost" in done.stderr.decode()
    assert bucket.read(KEY) == row * 300
