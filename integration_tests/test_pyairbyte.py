"""A real client and a real source: PyAirbyte syncs Airbyte's faker into a local Track API, by `examples/pyairbyte_sync.py`.

Both are installed by `make pyairbyte`; without it these tests are skipped. Nothing may reach the network: whatever is
asked of another host than this one ends at a proxy on loopback that takes no connection without being noticed.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.connector import (
    PATIENCE_SECONDS,
    SCRIPT,
    catalog_of,
    config_for,
    record,
    run_connector,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.local_track_api import LocalTrackApi

EXAMPLE = Path(__file__).parent.parent / "examples" / "pyairbyte_sync.py"
CLIENT = Path(sys.prefix) / "pyairbyte" / "bin" / "python"
SOURCE = Path(sys.prefix) / "source-faker" / "bin" / "source-faker"
USERS = 50

# Purchases become objects, as an event would create the person that it names.
UPDATE_SETTINGS = {
    "identifierType": "any",
    "null_values": "omit",
    "max_rows_per_second": 1_000,
    "stream_mappings": [
        {
            "stream_name": "users",
            "destination_object_name": "person_identify",
            "destination_sync_mode": "update",
            "field_mappings": [
                {"source": "id", "destination": "person_id"},
                {"source": "email", "destination": "person_email"},
            ],
        },
        {
            "stream_name": "purchases",
            "destination_object_name": "object_identify",
            "field_mappings": [
                {"value": "1", "destination": "object_type_id"},
                {"source": "id", "destination": "object_id"},
            ],
        },
    ],
}

pytestmark = pytest.mark.skipif(
    not (CLIENT.exists() and SOURCE.exists()), reason="PyAirbyte is not installed: make pyairbyte"
)


class DeadEnd:
    """A proxy that refuses everybody and counts who came."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.visits: list[bytes] = []
        self._thread = threading.Thread(target=self._refuse)
        self._thread.start()

    def close(self) -> None:
        """Stop; a connection of our own wakes the thread."""
        with socket.create_connection(self._listener.getsockname()) as last:
            last.sendall(b"end")
        self._thread.join()
        self._listener.close()

    def _refuse(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(10)
                asked = connection.recv(1_000)
            if asked == b"end":
                return
            self.visits.append(asked.split(b"\r\n")[0])


class Client:
    """Runs the example as a user would, in a folder of its own."""

    def __init__(self, folder: Path, api: LocalTrackApi, proxy: str) -> None:
        self._folder = folder
        self._recorder = self._make_recorder()
        self._environment = {
            "PATH": f"{SOURCE.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "AIRBYTE_LOGGING_ROOT": str(folder / "logs"),
            "AIRBYTE_OFFLINE_MODE": "1",
            "DO_NOT_TRACK": "1",
            "NO_LIVE_PROGRESS": "1",
            "CUSTOMERIO_SITE_ID": "site",
            "CUSTOMERIO_API_KEY": "key",
            "CUSTOMERIO_TRACK_API_URL": api.url,
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def sync(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the example to its end."""
        return subprocess.run(
            [
                str(CLIENT),
                str(EXAMPLE),
                "--count",
                str(USERS),
                "--destination",
                str(self._recorder),
                *arguments,
            ],
            cwd=self._folder,
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def messages(self, direction: str, kind: str) -> list[Any]:
        """What went "in" or "out" of the connector in the last write, of one type."""
        lines = (self._folder / f"{direction}.jsonl").read_text().splitlines()
        return [message[kind.lower()] for message in map(json.loads, lines) if message["type"] == kind]

    def _make_recorder(self) -> Path:
        """The connector, with copies made of what goes in and comes out."""
        script, folder = shlex.quote(str(SCRIPT)), shlex.quote(str(self._folder))
        recorder = self._folder / "destination-customerio"
        recorder.write_text(
            f'#!/bin/bash\nset -o pipefail\nif [ "$1" != write ]; then exec {script} "$@"; fi\n'
            f'tee {folder}/in.jsonl | {script} "$@" | tee {folder}/out.jsonl\n'
        )
        recorder.chmod(0o755)
        return recorder


def source_of_nulls(folder: Path, column: str) -> Path:
    """A folder with a source that has null in one column of text, for want of one in the faker's rows."""
    folder.mkdir()
    source = folder / SOURCE.name
    source.write_text(
        "#!/bin/bash\nset -o pipefail\n"
        f'{shlex.quote(str(SOURCE))} "$@" | sed -E \'s/("{column}": *)"[^"]*"/\\1null/\'\n'
    )
    source.chmod(0o755)
    return folder


@pytest.fixture
def client(tmp_path: Path, api: LocalTrackApi) -> Iterator[Client]:
    """PyAirbyte, with the outside world cut off."""
    proxy = DeadEnd()
    try:
        yield Client(tmp_path, api, proxy.url)
    finally:
        proxy.close()
    assert proxy.visits == []


def check_world(api: LocalTrackApi) -> None:
    """Everybody is there, with exactly their own purchase."""
    people = api.world.profiles()
    assert sorted(int(person.identifiers["id"]) for person in people) == list(range(1, USERS + 1))
    for person in people:
        assert "@" in person.attributes["email"]
        assert person.attributes["city"] == person.attributes["address"]["city"]
        assert not {"id", "person_id"} & person.attributes.keys()
    assert len(api.world.events) == USERS
    for event in api.world.events:
        assert event.name == "purchase"
        assert event.person in people
        assert event.attributes.keys() == {"product_id"}
        assert event.id is not None
    assert api.order_violations == []


def unstated(state: dict[str, Any]) -> dict[str, Any]:
    """A state without what a destination adds to it."""
    return {key: value for key, value in state.items() if key != "destinationStats"}


def test_a_real_source_is_synced_and_the_next_sync_goes_on_from_its_states(
    client: Client, api: LocalTrackApi
) -> None:
    """Check, write, counts and states, straight through; then nothing is left to read."""
    done = client.sync()
    assert done.returncode == 0, done.stderr
    assert "Connection check succeeded for `destination-customerio`." in done.stderr
    assert f"{2 * USERS} rows were read." in done.stdout
    for name in ("users", "purchases"):
        assert f'{name}: acknowledged up to {{"seed":42,' in done.stdout
        assert f'"loop_offset":{USERS}}}' in done.stdout
    check_world(api)

    sent, acknowledged = client.messages("in", "STATE"), client.messages("out", "STATE")
    assert len(acknowledged) == len(sent) > 2
    for name in ("users", "purchases"):
        of_stream = [state for state in acknowledged if state["stream"]["stream_descriptor"]["name"] == name]
        assert [unstated(state) for state in of_stream] == [
            unstated(state) for state in sent if state["stream"]["stream_descriptor"]["name"] == name
        ]
        stats = [state["destinationStats"] for state in of_stream]
        assert sum(counts["recordCount"] for counts in stats) == USERS
        assert sum(counts["rejectedRecordCount"] for counts in stats) == 0

    entries = api.report()["entries"]
    again = client.sync()
    assert again.returncode == 0, again.stderr
    assert "\n0 rows were read." in again.stdout
    assert api.report()["entries"] == entries == 2 * USERS


def test_rows_may_come_through_pyairbytes_cache(client: Client, api: LocalTrackApi) -> None:
    """Its types and its own columns are no obstacle; what it adds is dropped where the mapping says so."""
    done = client.sync("--through-cache")
    assert done.returncode == 0, done.stderr
    check_world(api)
    states = client.messages("out", "STATE")
    assert [state["destinationStats"]["recordCount"] for state in states] == [USERS, USERS]


@pytest.mark.parametrize("arguments", [[], ["--through-cache"]])
def test_updates_by_any_identifier_create_nobody_and_erase_nothing(
    client: Client, api: LocalTrackApi, tmp_path: Path, arguments: list[str]
) -> None:
    """The key of PyAirbyte's catalog chooses the identifier; a null column leaves alone what is known."""
    known = range(1, USERS // 2 + 1)
    rows = [record("people", {"person_id": number, "academic_degree": "known"}) for number in known]
    done = run_connector(
        "write",
        config_for(api.url, identifierType="id"),
        catalog_of(stream("people", "person_identify")),
        rows,
    )
    assert done.exit_code == 0
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(UPDATE_SETTINGS))
    source = source_of_nulls(tmp_path / "source", "academic_degree")
    synced = client.sync(
        "--settings", str(settings), *arguments, PATH=f"{source}{os.pathsep}{os.environ['PATH']}"
    )
    assert synced.returncode == 0, synced.stderr

    logs = [log["message"] for log in client.messages("out", "LOG")]
    assert (
        "Stream users goes to person_identify, updating people who exist and creating nobody; its primary key identifies "
        "people by person_id." in logs
    )
    people = api.world.profiles()
    assert sorted(int(person.identifiers["id"]) for person in people) == list(known)
    for person in people:
        assert "@" in person.attributes["email"]
        assert person.attributes["academic_degree"] == "known"
    counts = [state["destinationStats"]["recordCount"] for state in client.messages("out", "STATE")]
    assert sum(counts) == 2 * USERS


def test_people_become_members_and_owners(client: Client, api: LocalTrackApi, tmp_path: Path) -> None:
    """Segments and arrays of relationships need no more than a mapping; a segment that does not exist rejects its rows."""
    assert client.sync().returncode == 0
    api.create_segment(7)
    settings = tmp_path / "settings.json"
    by_id = {"source": "id", "destination": "person_id"}
    of_buyer = {"source": "user_id", "destination": "person_id"}
    for segment, members in ((7, USERS), (8, 0)):
        to_segment = {"value": segment, "destination": "segment_id"}
        related = [of_buyer, {"source": "product_id", "destination": "object_id"}]
        streams = [
            ("users", "segment_add", [by_id, to_segment]),
            ("purchases", "person_relationship", [*related, {"value": "1", "destination": "object_type_id"}]),
        ]
        mappings = [
            {"stream_name": name, "destination_object_name": target, "field_mappings": columns}
            | {"unmapped_fields": "drop"}
            for name, target, columns in streams
        ]
        settings.write_text(json.dumps({"stream_mappings": mappings}))
        done = client.sync("--settings", str(settings), "--states", str(tmp_path / f"to-{segment}"))
        assert done.returncode == 0, done.stderr
        stats = [state["destinationStats"] for state in client.messages("out", "STATE")]
        assert sum(counts["recordCount"] for counts in stats) == members + USERS
        assert sum(counts["rejectedRecordCount"] for counts in stats) == USERS - members
    assert api.world.segments == {"7": {f"id:{number}" for number in range(1, USERS + 1)}}
    assert api.world.relationships
    assert {person for person, _ in api.world.relationships} <= api.world.segments["7"]
    assert api.order_violations == []


def test_a_failed_check_says_what_to_do(client: Client, api: LocalTrackApi) -> None:
    """PyAirbyte shows the connector's own sentence, and nothing is sent."""
    done = client.sync(CUSTOMERIO_API_KEY="not-the-key")
    assert done.returncode != 0
    assert "Customer.io does not accept the Site ID" in " ".join(done.stderr.split())
    assert "not-the-key" not in done.stderr + done.stdout
    assert api.report()["entries"] == 0
