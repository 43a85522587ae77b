"""The two sizes of the suite, and the figures that it leaves for `docs/reliability.md`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Set by `make chaos`: the long size, and the file that the figures go to.
IS_LONG = os.environ.get("FAULT_SUITE") == "long"
_FIGURES = os.environ.get("FAULT_FIGURES")


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API."""
    with LocalTrackApi() as server:
        yield server


@pytest.fixture
def sized() -> Callable[[int, int], int]:
    """Chooses between a quick and a long size."""
    return lambda quick, long: long if IS_LONG else quick


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Notes what a test has counted: faults, rows, lost, doubled."""

    def note(**counts: Any) -> None:
        if _FIGURES:
            with Path(_FIGURES).open("a") as file:
                file.write(
                    json.dumps({"test": request.node.name, "file": request.node.path.name, **counts}) + "\n"
                )

    return note
