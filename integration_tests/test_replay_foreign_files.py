"""`rejected` and `replay` on files that somebody else made: little memory, an end in time, and the place of the fault."""

from __future__ import annotations

import gzip
import io
import signal
import time
from typing import TYPE_CHECKING

import pytest

from integration_tests.command_line import Ended, ended, started
from integration_tests.connector import catalog_of, config_for, wait_until
from integration_tests.faults.sizes import IS_LONG
from integration_tests.process_memory import cpu_seconds, peak_kib
from integration_tests.rejected_rows import ORDERS, arrived

if TYPE_CHECKING:
    from collections.abc import Iterable

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(ORDERS)
COMMANDS = [("rejected", None), ("replay", CATALOG)]
BELOW = "customerio/rejected/42/orders/"
HEADER = b'"_airbyte_raw_id","_airbyte_data"\r\n'
MIB = 1 << 20
# Far below what any of the files holds, and far above what the connector needs for a row of its limit.
MAX_PEAK_MIB = 400


def json_row(number: int, more: bytes = b"") -> bytes:
    """A row that Customer.io accepts, unless something is wrong with `more`."""
    return (
        b'{"_airbyte_raw_id":"r%d","_airbyte_data":{"person_id":"u1","event_name":"paid","_seq":%d%b}}\n'
        % (
            number,
            number,
            more,
        )
    )


def csv_row(number: int) -> bytes:
    """The same in a table."""
    return b'"r%d","{""person_id"":""u1"",""event_name"":""paid"",""_seq"":%d}"\r\n' % (number, number)


def put(bucket: Bucket, name: str, pieces: Iterable[bytes], *, compress: bool = True) -> None:
    """Store a file, compressed as it is made: some would not fit into memory."""
    body = io.BytesIO()
    if compress:
        with gzip.GzipFile(fileobj=body, mode="wb", compresslevel=1, mtime=0) as packed:
            for piece in pieces:
                packed.write(piece)
    else:
        body.writelines(pieces)
    bucket.client.put_object(Bucket=bucket.name, Key=BELOW + name, Body=body.getvalue())


def run(command: str, api: LocalTrackApi, bucket: Bucket) -> tuple[Ended, float]:
    """Run a command to its end; returns the peak of its memory too, in MiB."""
    settings = config_for(api.url, object_storage_config=bucket.config(), identifierType="id")
    peak = 0
    with started(command, settings, CATALOG if command == "replay" else None) as process:
        while process.poll() is None:
            peak = max(peak, peak_kib(process.pid))
            time.sleep(0.02)
        return ended(process), peak / 1024


@pytest.mark.parametrize(("command", "_"), COMMANDS)
def test_what_can_not_be_read_costs_little_memory_and_no_other_row(
    api: LocalTrackApi, bucket: Bucket, command: str, _: object
) -> None:
    """An enormous line, one of small objects, a quote that is never closed, and a file that unpacks to far more."""
    put(
        bucket,
        "1.jsonl.gz",
        [json_row(1), b'{"_airbyte_data":"', *[b"x" * MIB] * (256 if IS_LONG else 64), b'"}\n', json_row(2)],
    )
    objects = b"{}," * (MIB // 3)
    put(
        bucket,
        "2.jsonl.gz",
        [
            json_row(3),
            b'{"_airbyte_data":{"x":[',
            *[objects] * (180 if IS_LONG else 48),
            b"0]}}\n",
            json_row(4),
        ],
    )
    small = b"{}," * (10 * MIB // 3)
    put(bucket, "3.jsonl.gz", [json_row(5), b'{"_airbyte_data":{"x":[', small, b"0]}}\n", json_row(6)])
    put(
        bucket,
        "4.csv.gz",
        [HEADER, csv_row(7), b'"r","never closed\r\n', *[b"1,2\r\n" * (MIB // 5)] * (200 if IS_LONG else 48)],
    )
    put(
        bucket,
        "5.csv.gz",
        [HEADER, csv_row(8), *[b"\x00" * MIB] * (1_024 if IS_LONG else 128), b"\r\n", csv_row(9)],
    )
    before = {key: bucket.read(key) for key in bucket.keys()}  # noqa: SIM118 - no mapping
    done, peak = run(command, api, bucket)
    assert (done.exit_code, done.stderr) == (0, "")
    assert 0 < peak < MAX_PEAK_MIB
    quote = "the row on line 3 has a quote that is never closed"
    if command == "rejected":
        assert f"Skipped {BELOW}4.csv.gz: {quote}; 2 rows before that included." in done.stdout
        assert "unreadable\t\t5\t" in done.stdout
        assert f"{BELOW}1.jsonl.gz, line 2: longer than 33,554,432 bytes" in done.stdout
        return
    assert f"{BELOW}4.csv.gz: left unchanged: {quote}." in done.stdout
    for name, fault in {
        "1.jsonl.gz": "line 2: longer than 33,554,432 bytes",
        "2.jsonl.gz": "line 2: longer than 33,554,432 bytes",
        "3.jsonl.gz": "line 2: more than 1,000,000 values",
        "5.csv.gz": "line 3: longer than 33,554,432 bytes",
    }.items():
        assert f"0 rejected again, 1 can't be read ({fault})." in "".join(
            line for line in done.stdout.splitlines() if line.startswith(f"{BELOW}{name}: 2 rows accepted")
        )
        rest = gzip.decompress(bucket.read(BELOW + name))
        lines = gzip.decompress(before[BELOW + name]).splitlines(keepends=True)
        assert rest == b"".join(lines[:1] + lines[2:3] if name.endswith("csv.gz") else lines[1:2])
    assert bucket.read(BELOW + "4.csv.gz") == before[BELOW + "4.csv.gz"]
    assert sorted(arrived(api)) == [1, 2, 3, 4, 5, 6, 8, 9]


def test_the_largest_row_that_is_read_costs_little_memory(api: LocalTrackApi, bucket: Bucket) -> None:
    """Eight of them, just below the limit; they are too large for Customer.io, and stay."""
    more = b',"x":"' + b"y" * (31 * MIB) + b'"'
    put(bucket, "1.jsonl.gz", (json_row(number, more) for number in range(8)))
    done, peak = run("replay", api, bucket)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "8 rejected again" in done.stdout
    assert 0 < peak < 2 * MAX_PEAK_MIB


@pytest.mark.parametrize(("command", "catalog"), COMMANDS)
@pytest.mark.parametrize("content", ["quote", "objects", "line ends"])
def test_a_signal_ends_a_command_that_reads_such_a_file(
    api: LocalTrackApi, bucket: Bucket, command: str, catalog: dict[str, object] | None, content: str
) -> None:
    """Whatever part of the file it is at; the file stays as it is."""
    piece = {"quote": b"1,2\r\n", "objects": b"{},", "line ends": b"\n"}[content] * (MIB // 4)
    start = HEADER + b'"r","' if content == "quote" else b'{"_airbyte_data":{"x":['
    put(bucket, "1.gz", [start, *[piece] * 800])
    before = bucket.read(BELOW + "1.gz")
    settings = config_for(api.url, object_storage_config=bucket.config(), identifierType="id")
    with started(command, settings, catalog) as process:
        # The download is over soon after it has begun; what follows takes seconds.
        wait_until(lambda: process.poll() is not None or cpu_seconds(process.pid) > 2)
        process.send_signal(signal.SIGTERM)
        sent_at = time.monotonic()
        done = ended(process)
    assert done.exit_code in (0, 143)
    assert time.monotonic() - sent_at < 60
    assert bucket.read(BELOW + "1.gz") == before
