"""The least program that sends the same rows: parse, take out the key, encode, batch, post on eight threads.

It makes no promise of any kind: no order, no limits, no states, no rejected rows, no retry. What the connector takes
beyond it is the price of these.

Argument: the server's URL. Prints how many rows it sent.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import orjson
import requests

from benchmarks.baselines.rows import rows_of_stdin

_THREADS = 8
_MAX_BODY_BYTES = 500_000
# So that memory stays small.
_MAX_WAITING = 2 * _THREADS


class Poster:
    """Posts bodies on several threads, each with a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v2/batch"
        self._local = threading.local()
        self._slots = threading.Semaphore(_MAX_WAITING)

    def connect(self) -> None:
        """Open the session of a thread."""
        self._local.session = requests.Session()
        self._local.session.auth = ("site", "key")

    def wait_for_slot(self) -> None:
        """Block until one more body may wait."""
        self._slots.acquire()

    def post(self, entries: list[bytes]) -> None:
        """Send one batch."""
        body = b'{"batch":[' + b",".join(entries) + b"]}"
        answer = self._local.session.post(self._url, body, headers={"Content-Type": "application/json"})
        answer.raise_for_status()
        self._slots.release()


def main() -> None:
    """Send the rows of stdin."""
    poster = Poster(sys.argv[1])
    sent = 0
    futures = []
    entries: list[bytes] = []
    size = 0
    with ThreadPoolExecutor(_THREADS, initializer=poster.connect) as threads:
        for row in rows_of_stdin():
            email = row.pop("person_email")
            if name := row.pop("event_name", None):
                entry = {"type": "person", "action": "event", "identifiers": {"email": email}, "name": name}
            else:
                entry = {"type": "person", "action": "identify", "identifiers": {"email": email}}
            entry["attributes"] = row
            encoded = orjson.dumps(entry)
            sent += 1
            if size + len(encoded) + len(entries) + 16 > _MAX_BODY_BYTES:
                poster.wait_for_slot()
                futures.append(threads.submit(poster.post, entries))
                entries, size = [], 0
            entries.append(encoded)
            size += len(encoded)
        if entries:
            poster.wait_for_slot()
            futures.append(threads.submit(poster.post, entries))
    for future in futures:
        future.result()
    print(sent)


if __name__ == "__main__":
    main()
