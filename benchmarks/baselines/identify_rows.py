"""The obvious hand-written sync: the `customerio` library's `identify`, row by row.

Arguments: the server's URL, the number of rows to send. Prints how many it sent, and the seconds it took.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice

from customerio import CustomerIO

from benchmarks.baselines.rows import rows_of_stdin


def main() -> None:
    """Send the first rows of stdin."""
    url, limit = sys.argv[1], int(sys.argv[2])
    client = CustomerIO("site", "key")
    # The library only builds https:// URLs, and the benchmark's server has no certificate.
    client.base_url = f"{url}/api/v1"
    sent = 0
    began = time.monotonic()
    for row in islice(rows_of_stdin(), limit):
        client.identify(id=row.pop("person_email"), **row)
        sent += 1
    print(json.dumps({"rows": sent, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
