"""A local Track API that enforces Customer.io's contract, remembers what it accepted, and fails on request.

`LocalTrackApi` runs it inside a test; `python -m tools.local_track_api` as a process. Inside out: `contract`,
`body`, `world`, `order`, `faults` and `traffic` know no HTTP; `service` combines them under one lock; `control` serves
programs that run it as a process; `handler` and `server` are the sockets.
"""

from tools.local_track_api.server import LocalTrackApi

__all__ = ["LocalTrackApi"]
