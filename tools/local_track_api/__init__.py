"""A local Track API that enforces Customer.io's contract, remembers what it took, and breaks on order.

`LocalTrackApi` runs it inside a test; `python -m tools.local_track_api` as a process. Inside out: `contract`,
`body`, `world`, `order`, `faults` and `traffic` know no HTTP; `service` puts them together under one lock; `control` is
what a test may ask; `handler` and `server` are the sockets.
"""

from tools.local_track_api.server import LocalTrackApi

__all__ = ["LocalTrackApi"]
