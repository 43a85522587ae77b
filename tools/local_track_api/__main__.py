"""The local Track API as a process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal

from tools.local_track_api.server import LocalTrackApi
from tools.local_track_api.service import REGION_ANSWERS, REGION_URLS


def main() -> None:
    """Serve; print one line with the address first."""
    parser = argparse.ArgumentParser(prog="python -m tools.local_track_api", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes any free one")
    parser.add_argument("--site-id", default="site")
    parser.add_argument("--api-key", default="key")
    parser.add_argument("--region", choices=sorted(REGION_URLS), default="us")
    parser.add_argument("--region-answer", choices=sorted(REGION_ANSWERS), default="current")
    options = parser.parse_args()
    # Blocked before any thread starts, so that a signal in any of them waits for sigwait.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with LocalTrackApi(
        options.site_id, options.api_key, options.region, options.port, options.region_answer
    ) as api:
        print(f"listening on {api.url}", flush=True)
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
