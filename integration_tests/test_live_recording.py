"""The live test and its recording, tried on a local Track API in place of a workspace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from integration_tests.connector import PATIENCE_SECONDS, config_for
from tools.live_recording.exchange import read_recording
from tools.live_recording.probes import probes
from tools.live_recording.replay import differences

if TYPE_CHECKING:
    from tools.local_track_api import LocalTrackApi

LIVE_TEST = Path(__file__).with_name("test_live.py")


def test_the_live_test_passes_and_its_recording_replays(tmp_path: Path, api: LocalTrackApi) -> None:
    """It cleans up, records the probes and the sync without a key, and a server that behaves alike shows no difference."""
    settings, recording = tmp_path / "config.json", tmp_path / "recording.jsonl"
    settings.write_text(json.dumps(config_for(api.url, allow_destructive_operations=True)))
    environment = {**os.environ, "LIVE_TEST_CONFIG": str(settings), "RECORDING": str(recording)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(LIVE_TEST)],
        env=environment,
        cwd=LIVE_TEST.parent.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert api.world.profiles() == []
    recorded = read_recording(recording)
    assert len(recorded) > len(probes({"email": "ada@example.com"}))
    assert {exchange.method for exchange in recorded} == {"GET", "POST"}
    api.reset()
    assert differences(recorded, api) == []
