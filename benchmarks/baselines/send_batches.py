"""A better hand-written sync: `async-customerio`'s `send_batch`, several batches concurrently.

Arguments: the server's URL, rows per batch, batches in flight. Prints how many rows it sent, and the seconds it took.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from async_customerio import AsyncCustomerIO

from benchmarks.baselines.rows import rows_of_stdin

Row = dict[str, Any]


async def send_all(url: str, rows_per_batch: int, concurrency: int) -> int:
    """Send all rows of stdin, with at most `concurrency` requests in flight."""
    host, _, port = urlsplit(url).netloc.partition(":")
    entries = (_identify(row) for row in rows_of_stdin())
    sent = 0

    async with AsyncCustomerIO("site", "key", host=host, port=int(port)) as client:
        # The library only builds https:// URLs, and the benchmark's server has no certificate.
        client.setup_base_url = _url

        async def send_until_none_is_left() -> None:
            nonlocal sent
            while batch := list(islice(entries, rows_per_batch)):
                await client.v2.send_batch(batch)
                sent += len(batch)

        await asyncio.gather(*(send_until_none_is_left() for _ in range(concurrency)))
    return sent


def _url(host: str, port: int, prefix: str) -> str:
    return f"http://{host}:{port}/{prefix.strip('/')}"  # ignore-https-check: a server on this machine


def _identify(row: Row) -> Row:
    email = row.pop("person_email")
    return {"type": "person", "action": "identify", "identifiers": {"email": email}, "attributes": row}


def main() -> None:
    """Send the rows of stdin."""
    url, rows_per_batch, concurrency = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    began = time.monotonic()
    sent = asyncio.run(send_all(url, rows_per_batch, concurrency))
    print(json.dumps({"rows": sent, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
