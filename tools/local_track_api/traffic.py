"""What the server has seen, counted: requests, their sizes and answers, entries, connections."""

from __future__ import annotations

from collections import Counter
from typing import Any

NO_ANSWER = "no answer"


class Traffic:
    """Counters. Not thread-safe: the server's lock guards them.

    requests              by path (`batch`, `segments`, `region`)
    segment_ids           how many ids each applied call of a segment had
    statuses              answers to batch requests by status, or `no answer`
    body_bytes            the size of every batch body that was read, in order
    during_retry_after    batch requests that came while a 429's Retry-After was running: seconds since that 429
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.body_bytes: list[int] = []
        self.segment_ids: list[int] = []
        self.entries = 0
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.during_retry_after: list[float] = []
        self.max_concurrent_requests = 0
        self.connections: set[int] = set()
        self.user_agents: Counter[str] = Counter()
        self._concurrent_requests = 0
        self._paused_since = 0.0
        self._paused_until = 0.0

    def arrived(self, path: str, connection: int, user_agent: str, now: float) -> int:
        """A request's head was read, at `now` in unix seconds; returns its number on its path, from 1."""
        self.requests[path] += 1
        self.connections.add(connection)
        self.user_agents[user_agent] += 1
        if path == "batch":
            self._concurrent_requests += 1
            self.max_concurrent_requests = max(self.max_concurrent_requests, self._concurrent_requests)
            if now < self._paused_until:
                self.during_retry_after.append(now - self._paused_since)
        return self.requests[path]

    def left(self, status: int | None) -> None:
        """A batch request's answer is about to leave, or (None) none will."""
        self._concurrent_requests -= 1
        self.statuses[NO_ANSWER if status is None else str(status)] += 1

    def paused(self, now: float, until: float) -> None:
        """A 429 leaves that asks everybody to wait `until`, both in unix seconds."""
        self._paused_since = now
        self._paused_until = max(self._paused_until, until)

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        sizes = self.body_bytes
        return {
            "requests": dict(self.requests),
            "requests_by_status": dict(sorted(self.statuses.items())),
            "body_bytes": {"max": max(sizes, default=0), "mean": sum(sizes) / len(sizes) if sizes else 0.0},
            "segment_ids": self.segment_ids,
            "entries": self.entries,
            "accepted": self.accepted,
            "rejected_by_reason": dict(self.rejected),
            "requests_during_retry_after": len(self.during_retry_after),
            "requests_during_retry_after_seconds": self.during_retry_after,
            "max_concurrent_requests": self.max_concurrent_requests,
            "connections": len(self.connections),
            "user_agents": dict(self.user_agents),
        }
