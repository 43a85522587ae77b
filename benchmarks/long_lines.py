"""8. Long lines: memory and time for one line, whatever is in it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from benchmarks.inputs import Rows, record_start, state
from benchmarks.report import Goal, Section
from benchmarks.servers import track_api

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.syncs import Bench

_MB = 1_000_000
_LENGTHS = (20 * _MB, 80 * _MB)
_MAX_LENGTHS_OF_MEMORY = 6.0
_MAX_SECONDS_PER_20_MB = 1.0

# A numbered column.
_COLUMN = b',"c%07d":0'

# What the long column of the row holds: a beginning, something repeated, and an end, which is repeated for brackets.
CONTENTS = {
    "plain text": (b'"', b"lorem ipsum ", b'"'),
    "plain text beside a 25-digit integer": (b'1234567890123456789012345,"text":"', b"lorem ipsum ", b'"'),
    "text in other languages": (b'"', "smørrebrød 寿司 ".encode(), b'"'),
    "escapes": (b'"', rb"\u00e9\n\"", b'"'),
    "lone surrogates": (b'"', rb"\ud800 ", b'"'),
    "lone surrogates, one after another": (b'"', rb"\ud800", b'"'),
    "digits": (b'"', b"1234567890", b'"'),
    "an integer of so many digits": (b"1", b"1234567890", b""),
    "exponents": (b"[0", b",1.5E-300", b"]"),
    "small integers": (b"[0", b",1", b"]"),
    "19-digit integers": (b"[0", b",1234567890123456789", b"]"),
    "30-digit integers": (b"[0", b",123456789012345678901234567890", b"]"),
    "decimals of 20 digits": (b"[0", b",1.2345678901234567891", b"]"),
    "NaN": (b"[0", b",NaN", b"]"),
    "one NaN before small objects": (b"[NaN", b',{"a":1}', b"]"),
    "small objects": (b"[0", b',{"a":1}', b"]"),
    "space between values": (b"[0", b" ,  0", b"]"),
    "arrays nested 500 deep": (b"[0", b"," + b"[" * 500 + b"]" * 500, b"]"),
    "nested arrays": (b"", b"[", b"]"),
    "nested objects": (b'{"a":', b'{"a":', b"}"),
    "columns": (b"0", _COLUMN, b""),
    "columns of the same name": (b"0", b',"c":0', b""),
    "one enormous name": (b'0,"', b"lorem ipsum ", b'":0'),
    "objects in the identifier": (b'0,"person_email":[0', b',{"a":1}', b"]"),
    "small integers in an attribute that acts": (b'0,"unsubscribed":[0', b",1", b"]"),
    "relationships that are none": (b'0,"cio_relationships":[0', b",0", b"]"),
}
_NESTED = ("nested arrays", "nested objects")
_TIMES = 10
_CHUNK_BYTES = 1 << 20


def measure(bench: Bench) -> Section:
    """A sync of one row of each kind and length, which is too large to be sent, against one of a short row."""
    lengths = [bench.rows(length) for length in _LENGTHS]
    short = Rows("people", 1, reject_every=1)
    table = [
        ["content of the row", *(f"{heading(length)}" for length in lengths for heading in (_cpu, _memory))]
    ]
    slowest: dict[str, float] = {}
    largest: dict[str, float] = {}
    with track_api() as api:
        sync = bench.sync(api.url, short)
        base = sync.from_file(bench.input_file(short))
        for name in bench.series(CONTENTS):
            cells = [name]
            for length in lengths:
                path = bench.new_path("line.jsonl")
                write_line(path, name, length)
                done = sync.from_file(path)
                path.unlink()
                seconds = done.cpu_seconds - base.cpu_seconds
                lengths_of_memory = (done.peak_rss_bytes - base.peak_rss_bytes) / length
                slowest[name] = max(slowest.get(name, 0.0), seconds * 20 * _MB / length)
                largest[name] = max(largest.get(name, 0.0), lengths_of_memory)
                cells += [f"{seconds:.2f}", f"{lengths_of_memory:.1f}"]
            table.append(cells)
        path = bench.new_path("lines.jsonl")
        for _ in range(_TIMES):
            write_line(path, "plain text", lengths[0])
        done = bench.sync(api.url, Rows("people", _TIMES, reject_every=1)).from_file(path)
        path.unlink()
        name = f"{_TIMES} rows of plain text"
        seconds = (done.cpu_seconds - base.cpu_seconds) / _TIMES
        slowest[name] = seconds * 20 * _MB / lengths[0]
        largest[name] = (done.peak_rss_bytes - base.peak_rss_bytes) / lengths[0]
        table.append([name, f"{seconds:.2f}", f"{largest[name]:.1f}", *[""] * 2 * (len(lengths) - 1)])
    slow, large = max(slowest, key=lambda name: slowest[name]), max(largest, key=lambda name: largest[name])
    goals = [
        Goal.at_most(
            f"no line takes more than {_MAX_SECONDS_PER_20_MB:g} s of CPU time per 20 MB",
            _MAX_SECONDS_PER_20_MB,
            slowest[slow],
            f"{slowest[slow]:.2f} s at most ({slow})",
        ),
        Goal.at_most(
            f"no line takes more than {_MAX_LENGTHS_OF_MEMORY:g} times its length of memory",
            _MAX_LENGTHS_OF_MEMORY,
            largest[large],
            f"{largest[large]:.1f} times at most ({large})",
        ),
    ]
    text = (
        "A sync of one row, which is rejected because it is too large to be sent, minus a sync of a short row that is "
        "rejected; run once. Memory is the peak RSS, in lengths of the line."
    )
    return Section("Long lines", text, table, goals)


def _cpu(length: int) -> str:
    return f"CPU of {length / _MB:g} MB, s"


def _memory(length: int) -> str:
    return f"memory of {length / _MB:g} MB, lengths"


def write_line(path: Path, name: str, length: int) -> None:
    """One row with this content, about this long, and its state; in pieces, as this process must not use much memory."""
    begin, repeated, end = CONTENTS[name]
    is_nested = name in _NESTED
    count = length // (len(repeated) + (len(end) if is_nested else 0))
    with path.open("ab") as file:
        file.write(record_start("people") + b'"ada@example.com","long":' + begin)
        if repeated == _COLUMN:
            for start in range(0, count, 10_000):
                file.writelines(_COLUMN % number for number in range(start, min(start + 10_000, count)))
        else:
            _write_repeated(file, repeated, count)
        if is_nested:
            file.write(b"0" if end == b"}" else b"")
            _write_repeated(file, end, count)
            end = end if begin else b""
        file.write(end + b"}}}\n" + state("people", 0))


def _write_repeated(file: IO[bytes], piece: bytes, count: int) -> None:
    chunk = piece * max(1, _CHUNK_BYTES // len(piece))
    whole, rest = divmod(count * len(piece), len(chunk))
    for _ in range(whole):
        file.write(chunk)
    file.write(chunk[:rest])
