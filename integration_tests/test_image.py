"""The image, run as the platform runs it: a container, arguments, pipes. `make test-image` builds it and names it.

Where no image is named by CONNECTOR_IMAGE, or no engine answers, these tests are skipped. The container uses the
network of the machine, so that it reaches the servers on loopback.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import pytest

from integration_tests.connector import (
    PATIENCE_SECONDS,
    Finished,
    catalog_of,
    config_for,
    cursors,
    record,
    stream,
    stream_state,
    wait_until,
)
from tools.release import pyairbyte
from tools.release.project import owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

OCI = "org.opencontainers.image."
DOCKERFILE = Path(__file__).parent.parent / "Dockerfile"
IMAGE = os.environ.get("CONNECTOR_IMAGE", "")
CATALOG = catalog_of(stream("users", "person_identify", sync_id=42), stream("orders", "person_event"))
# As strict clusters run containers: a user that the image doesn't know, nothing writable but a small /tmp.
RESTRICTED = ("--user", "12345:0", "--read-only", "--tmpfs", "/tmp:size=16m", "--cap-drop", "ALL")  # noqa: S108 - in the container
# Without the base, in bytes; all of airbyte-cdk's dependencies would make it 268 MB.
MAX_OWN_BYTES = 100_000_000


def docker(*arguments: str) -> str:
    """Run a command of the engine's client; gives what it printed."""
    done = subprocess.run(
        ["docker", *arguments],  # noqa: S607 - whatever client the person uses
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocked_signals(name: str) -> set[int]:
    """The signals that process 1 of a container keeps for later; none while the engine has not started it.

    Until then it is the engine's own program, which loses a signal.
    """
    try:
        process = docker("inspect", "--format", "{{.State.Pid}}", name).strip()
        status = Path(f"/proc/{process}/status").read_text()
    except (AssertionError, FileNotFoundError, ProcessLookupError):
        return set()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    mask = int(fields["SigBlk"], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def engine_answers() -> bool:
    """Whether containers can be run here."""
    try:
        docker("version")
    except (AssertionError, OSError):
        return False
    return True


def reason_to_skip() -> str | None:
    """Why the image can't be tried, if it can't."""
    if not IMAGE:
        return "No image is named by CONNECTOR_IMAGE: `make test-image` builds one and names it."
    if shutil.which("docker") is None or not engine_answers():
        return "No container engine answers to 'docker version'."
    return None


SKIP_REASON = reason_to_skip()
pytestmark = pytest.mark.skipif(SKIP_REASON is not None, reason=SKIP_REASON or "")


class Container:
    """One command of the connector in a container of its own, with its files mounted and its pipes here."""

    def __init__(
        self,
        folder: Path,
        command: str,
        config: Mapping[str, Any] | None = None,
        catalog: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self.name = f"destination-customerio-test-{uuid4().hex}"
        # The container's user is another one than that of the tests.
        folder.chmod(0o755)
        arguments = [command]
        for name, content in (("config", config), ("catalog", catalog)):
            if content is not None:
                (folder / f"{name}.json").write_text(json.dumps(content))
                arguments += [f"--{name}", f"/secrets/{name}.json"]
        # Removed at the end, not by --rm: some engines then forget how the program ended.
        run = ["docker", "run", "--interactive", "--network", "host", "--name", self.name, *options]
        self._process = subprocess.Popen(
            [*run, "--volume", f"{folder}:/secrets:ro", IMAGE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._lines: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        docker("rm", "--force", self.name)

    def send(self, lines: Iterable[bytes]) -> None:
        """Write lines to the container's stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n".join([*lines, b""]))
        self._process.stdin.flush()

    def next_state(self) -> dict[str, Any]:
        """Wait for the next acknowledged state."""
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            self._lines.append(line)
            message = json.loads(line)
            if message["type"] == "STATE":
                state: dict[str, Any] = message["state"]
                return state
        raise AssertionError("the container ended without another state")

    def finish_without_input_end(self) -> Finished:
        """Wait for the end while stdin stays open."""
        self._process.wait(PATIENCE_SECONDS)
        return self.finish()

    def finish(self) -> Finished:
        """Close stdin, and wait for the end; the exit code is what the engine says of the program."""
        out, errors = self._process.communicate(timeout=PATIENCE_SECONDS)
        lines = [*self._lines, *out.splitlines()]
        exit_code = int(docker("inspect", "--format", "{{.State.ExitCode}}", self.name))
        return Finished([json.loads(line) for line in lines], exit_code, errors.decode())


def test_spec_check_and_discover_answer(tmp_path: Path, api: LocalTrackApi, bucket: Bucket) -> None:
    """The three commands that need no rows; `check` tries the keys and the bucket."""
    with Container(tmp_path, "spec") as container:
        done = container.finish()
    assert (done.exit_code, done.stderr) == (0, "")
    assert "credentials" in done.of_type("SPEC")[0]["connectionSpecification"]["properties"]

    config = config_for(api.url, object_storage_config=bucket.config())
    with Container(tmp_path, "check", config) as container:
        done = container.finish()
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    assert bucket.keys() == []

    with Container(tmp_path, "discover", config) as container:
        done = container.finish()
    operations = done.of_type("DESTINATION_CATALOG")[0]["operations"]
    assert "person_event" in [operation["object_name"] for operation in operations]


def test_rows_are_written_over_pipes(tmp_path: Path, api: LocalTrackApi, bucket: Bucket) -> None:
    """A good row is delivered, a bad one is stored in the bucket, and the state counts both."""
    config = config_for(api.url, object_storage_config=bucket.config())
    with Container(tmp_path, "write", config, CATALOG) as container:
        container.send(
            [
                record("users", {"person_email": "ada@example.com", "name": "Ada"}),
                record("users", {"person_email": None, "name": "Nobody"}),
                stream_state("users", 1),
            ]
        )
        done = container.finish()
    assert (done.exit_code, done.stderr) == (0, "")
    assert [state["destinationStats"] for state in done.states] == [
        {"recordCount": 1.0, "rejectedRecordCount": 1.0}
    ]
    assert [person.attributes for person in api.world.profiles()] == [{"name": "Ada"}]
    (key,) = bucket.keys()
    assert key.startswith("customerio/rejected/42/users/")
    (row,) = csv.DictReader(bucket.read(key).decode().splitlines())
    assert json.loads(row["_airbyte_data"])["rejected_reason"] == "required"


def test_every_command_runs_as_another_user_without_a_writable_image(
    tmp_path: Path, api: LocalTrackApi, bucket: Bucket
) -> None:
    """Read-only root, a small /tmp, no capabilities: spec, check, discover, write, rejected and replay."""
    config = config_for(api.url, object_storage_config=bucket.config())
    for command in ("spec", "check", "discover"):
        with Container(
            tmp_path, command, None if command == "spec" else config, options=RESTRICTED
        ) as container:
            done = container.finish()
        assert (command, done.exit_code, done.stderr) == (command, 0, "")
    with Container(tmp_path, "write", config, CATALOG, RESTRICTED) as container:
        container.send([record("users", {"person_email": None}), stream_state("users", 1)])
        done = container.finish()
    assert (done.exit_code, done.stderr) == (0, "")
    assert [state["destinationStats"]["rejectedRecordCount"] for state in done.states] == [1.0]
    mounted = ["--rm", "--network", "host", "--volume", f"{tmp_path}:/secrets:ro", *RESTRICTED, IMAGE]
    files = ["--config", "/secrets/config.json"]
    summary = json.loads(docker("run", *mounted, "rejected", *files, "--json"))
    assert summary["rows"] == 1
    replayed = docker("run", *mounted, "replay", *files, "--catalog", "/secrets/catalog.json")
    assert "1 row" in replayed
    assert not any("/replayed/" in key for key in bucket.keys())  # noqa: SIM118 - no dictionary


def test_the_commands_for_people_work_on_a_terminal(
    tmp_path: Path, api: LocalTrackApi, bucket: Bucket
) -> None:
    """The image holds what draws the table."""
    config = config_for(api.url, object_storage_config=bucket.config())
    with Container(tmp_path, "write", config, CATALOG) as container:
        container.send([record("users", {"person_email": None}), stream_state("users", 1)])
        assert container.finish().exit_code == 0
    mounted = ["--network", "host", "--volume", f"{tmp_path}:/secrets:ro"]
    shown = docker("run", "--rm", "--tty", *mounted, IMAGE, "rejected", "--config", "/secrets/config.json")
    assert re.search(r"users +│ required +│", shown)
    assert "1 rejected row in 1 file." in shown


def test_a_role_is_assumed_with_what_the_image_holds(
    tmp_path: Path, api: LocalTrackApi, bucket: Bucket
) -> None:
    """The descriptions of S3 and STS are there, and missing credentials are reported as such."""
    storage = bucket.config(role_arn="arn:aws:iam::123456789012:role/rejected")
    del storage["access_key_id"], storage["secret_access_key"]
    with Container(tmp_path, "check", config_for(api.url, object_storage_config=storage)) as container:
        done = container.finish()
    (status,) = done.of_type("CONNECTION_STATUS")
    assert status["status"] == "FAILED"
    assert "role" in status["message"]
    assert "Unknown service" not in status["message"]


def test_docker_stop_leaves_the_states_that_are_true(tmp_path: Path, api: LocalTrackApi) -> None:
    """A row in flight is finished and acknowledged, although stdin is still open."""
    api.inject({"path": "batch", "request": 2, "delay_seconds": 2})
    event = {"person_email": "ada@example.com", "event_name": "paid"}
    with Container(tmp_path, "write", config_for(api.url), CATALOG) as container:
        container.send([record("orders", {**event, "n": 1}), stream_state("orders", 1)])
        assert cursors([container.next_state()]) == [1]
        container.send([record("orders", {**event, "n": 2}), stream_state("orders", 2)])
        wait_until(lambda: api.requests.requests["batch"] == 2)
        docker("stop", "-t", "10", container.name)
        done = container.finish()
    assert (done.exit_code, done.stderr) == (143, "")
    assert cursors(done.states) == [1, 2]
    assert done.errors == []
    assert [sent.attributes["n"] for sent in api.world.events] == [1, 2]


def test_a_signal_is_kept_while_process_1_is_still_loading(tmp_path: Path, api: LocalTrackApi) -> None:
    """Linux drops a signal for process 1 that has no handler yet; at a twentieth of a processor, loading takes seconds."""
    with Container(tmp_path, "write", config_for(api.url), CATALOG, ["--cpus", "0.05"]) as container:
        wait_until(lambda: blocked_signals(container.name) == {signal.SIGTERM, signal.SIGINT})
        docker("kill", "--signal", "TERM", container.name)
        done = container.finish_without_input_end()
    assert (done.exit_code, done.messages, done.stderr) == (143, [], "")


def test_a_signal_ends_a_sync_that_has_hardly_any_processor(tmp_path: Path, api: LocalTrackApi) -> None:
    """At a twentieth of one, and within an enormous line."""
    pieces = b'{"a":[1,{"b":null}],"c":"d"},' * 300_000
    line = record("users", {"person_email": "a@b.c"}).replace(b'"a@b.c"', b'"a@b.c","x":[' + pieces + b"0]")
    with Container(tmp_path, "write", config_for(api.url), CATALOG, ["--cpus", "0.05"]) as container:
        container.send([stream_state("users", 0)])
        container.next_state()
        container.send([line])
        began = time.monotonic()
        docker("kill", "--signal", "TERM", container.name)
        done = container.finish_without_input_end()
        # Twice the time, as the engine and this test take some of it.
        assert time.monotonic() - began < 20.0
    assert done.exit_code == 143


def test_the_image_says_what_it_is_and_starts_as_the_platform_starts_it() -> None:
    """Labels, user, working directory, and one entry point for both who start it."""
    (inspected,) = json.loads(docker("image", "inspect", IMAGE))
    config = inspected["Config"]
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    labels = {name.removeprefix(OCI): value for name, value in config["Labels"].items()}
    assert labels["io.airbyte.name"] == f"ghcr.io/{owner()}/destination-customerio"
    assert labels["source"] == f"https://github.com/{owner()}/destination-customerio"
    assert labels["documentation"].startswith(labels["source"])
    assert labels["licenses"] == "MIT"
    assert "not affiliated with Airbyte or Customer.io" in labels["description"]
    assert re.fullmatch("[0-9a-f]{40}", labels["revision"])
    assert datetime.fromisoformat(labels["created"])
    assert config["User"] == "airbyte"
    assert config["WorkingDir"] == "/airbyte/integration_code"
    assert config["Entrypoint"] == [environment["AIRBYTE_ENTRYPOINT"]] == ["destination-customerio"]
    assert environment["PYTHONUNBUFFERED"] == "1"


def test_the_image_holds_what_runs_and_no_more() -> None:
    """The CDK's view of the connector can be imported; no tests, no build tools, and bytecode is there to be used."""
    look = """
import importlib.util, json, pathlib, destination_customerio, destination_customerio.cdk
site = pathlib.Path(destination_customerio.__file__).parent.parent
names = ("pip", "hatchling", "pytest", "moto", "pandas", "unit_tests", "integration_tests")
compiled = ["destination_customerio", "requests", "botocore", "pydantic"]
print(json.dumps({
    "found": [name for name in names if importlib.util.find_spec(name)],
    "tests": [str(path) for path in site.rglob("tests")],
    "uncompiled": [name for name in compiled if not list((site / name).glob("__pycache__/*.pyc"))],
    "services": sorted(path.name for path in (site / "botocore" / "data").iterdir() if path.is_dir()),
}))
"""
    seen = json.loads(docker("run", "--rm", "--entrypoint", "python", IMAGE, "-c", look))
    assert (seen["found"], seen["tests"], seen["uncompiled"]) == ([], [], [])
    assert seen["services"] == ["s3", "signin", "sso", "sso-oidc", "sts"]


def test_the_image_stays_small(capsys: pytest.CaptureFixture[str]) -> None:
    """What it adds to its base; the figure is printed."""
    (default,) = re.findall(r"^ARG BASE_IMAGE=(\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    base = os.environ.get("BASE_IMAGE") or default
    (image,), (below,) = (json.loads(docker("image", "inspect", name)) for name in (IMAGE, base))
    own = image["Size"] - below["Size"]
    with capsys.disabled():
        print(f"\nThe image adds {own / 1e6:.0f} MB to its base of {below['Size'] / 1e6:.0f} MB.")
    assert own < MAX_OWN_BYTES


@pytest.mark.skipif(not pyairbyte.is_installed(), reason="PyAirbyte is not installed: make pyairbyte")
def test_pyairbyte_runs_the_image(tmp_path: Path) -> None:
    """The README's code, with `docker_image`. The host's network is for the local Track API only."""
    pyairbyte.try_readme(f'docker_image="{IMAGE}", use_host_network=True', tmp_path / "work")
