"""14. Replay: the time for each of many small files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3

from benchmarks.measure import BenchmarkError, Run, Spread, run
from benchmarks.report import Section
from benchmarks.servers import BUCKET, bucket_at, local_s3, track_api
from integration_tests.connector import SCRIPT, catalog_of, config_for, stream

if TYPE_CHECKING:
    from benchmarks.syncs import Bench

_FILES = (100, 500)
_ROWS_A_FILE = 3
_ROUNDS = 2
_ROW = (
    b'{"_airbyte_raw_id":"r%d","_airbyte_extracted_at":1764000000000,"_airbyte_meta":{"sync_id":42,"changes":[]},'
    b'"_airbyte_generation_id":0,"_airbyte_data":{"person_email":"u%d@example.com","event_name":"paid","plan":"pro",'
    b'"rejected_reason":"invalid","rejected_field":"plan","rejected_message":"unknown plan"}}\n'
)


def measure(bench: Bench) -> Section:
    """Two numbers of files: their difference has no start of a process in it."""
    few, many = (
        (max(2, bench.rows(count * 1_000) // 1_000) for count in _FILES) if not bench.is_quick else (2, 6)
    )
    runs: dict[int, list[Run]] = {few: [], many: []}
    with track_api() as api, local_s3() as url:
        for number in range(bench.rounds(_ROUNDS)):
            for files, done in runs.items():
                done.append(_replayed(bench, api.url, url, files, f"{number}-{files}"))
    between = many - few
    pairs = list(zip(runs[few], runs[many], strict=True))
    walls = Spread.of((long.wall_seconds - short.wall_seconds) / between * 1e3 for short, long in pairs)
    cpus = Spread.of((long.cpu_seconds - short.cpu_seconds) / between * 1e3 for short, long in pairs)
    table = [["files", "rows", "wall, s", "CPU, s"]]
    for files, done in runs.items():
        wall = Spread.of(each.wall_seconds for each in done)
        cpu = Spread.of(each.cpu_seconds for each in done)
        table.append([f"{files}", f"{files * _ROWS_A_FILE:,}", f"{wall:.2f}", f"{cpu:.2f}"])
    table.append(["each further file, ms", f"{_ROWS_A_FILE}", f"{walls:.1f}", f"{cpus:.1f}"])
    text = (
        f"`replay` of files with {_ROWS_A_FILE} rows each, from moto's S3 to a server on loopback. Lanes and connections are kept "
        "from file to file."
    )
    note = "The wall includes moto, which takes several milliseconds for each of a file's requests."
    return Section("Replay of small files", text, table, notes=[note])


def _replayed(bench: Bench, api_url: str, s3_url: str, files: int, folder: str) -> Run:
    storage = {**bucket_at(s3_url), "bucket_path": folder}
    client = boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
    )
    for file in range(files):
        rows = b"".join(
            _ROW % (number, number) for number in range(file * _ROWS_A_FILE, (file + 1) * _ROWS_A_FILE)
        )
        client.put_object(Bucket=BUCKET, Key=f"{folder}/42/orders/2026_11_24_1_{file}.jsonl", Body=rows)
    client.close()
    command = [str(SCRIPT), "replay"]
    catalog = catalog_of(stream("orders", "person_event", sync_id=42))
    for name, content in (
        ("config", config_for(api_url, object_storage_config=storage)),
        ("catalog", catalog),
    ):
        path = bench.new_path(f"{name}.json")
        path.write_text(json.dumps(content))
        command += [f"--{name}", str(path)]
    done = run(command)
    expected = f"{files * _ROWS_A_FILE:,}".encode()
    if expected not in b"".join(done.lines):
        raise BenchmarkError(
            f"The replay did not send every row: {b''.join(done.lines[-3:]).decode(errors='replace')}"
        )
    return done
