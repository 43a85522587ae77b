"""The two sizes of the suite, and the figures that it leaves for `docs/reliability.md`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import finished_runs
from integration_tests.faults.sizes import IS_LONG
from integration_tests.faults.storms import API_KEY, SITE_ID
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Set by `make chaos`: the file that the figures go to.
_FIGURES = os.environ.get("FAULT_FIGURES")

# Credentials, the keys of the bucket, and what the rows of this suite hold: addresses, names of events, padding.
CANARIES = (SITE_ID, API_KEY, "AKIAINTEGRATIONTEST1", "integration-test-secret", "@b.c", "paid", "xxxxxxxx")


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API with credentials that can be looked for."""
    with LocalTrackApi(SITE_ID, API_KEY) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_output_shows_a_canary() -> Iterator[None]:
    """After every fault: no credential and no value of a row in any output, states excepted, which are the source's."""
    finished_runs.clear()
    yield
    for run in finished_runs:
        output = run.stderr.encode() + b"".join(line for line in run.lines if b'"type":"STATE"' not in line)
        for secret in CANARIES:
            assert secret.encode() not in output


@pytest.fixture
def sized() -> Callable[[int, int], int]:
    """Chooses between a quick and a long size."""
    return lambda quick, long: long if IS_LONG else quick


@pytest.fixture
def figures(request: pytest.FixtureRequest, api: LocalTrackApi) -> Callable[..., None]:
    """Notes what a test has counted, which is faults, rows, lost and doubled, and its requests and seconds."""
    started_at = time.monotonic()

    def note(**counts: Any) -> None:
        found = {
            "test": request.node.name,
            "file": request.node.path.name,
            **counts,
            "requests": api.report()["requests"].get("batch", 0),
            "seconds": round(time.monotonic() - started_at),
        }
        if _FIGURES:
            with Path(_FIGURES).open("a") as file:
                file.write(json.dumps(found) + "\n")

    return note
