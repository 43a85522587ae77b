"""A recorded conversation contains no secret, and the local Track API answers it as Customer.io did."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tools.live_recording.exchange import Exchange, read_recording, write_recording
from tools.live_recording.probes import probes
from tools.live_recording.recorder import Recorder
from tools.live_recording.replay import differences, main
from tools.live_recording.scrub import Scrubber
from tools.local_track_api import LocalTrackApi

# Recordings of real workspaces, from issues. Each is a contract for the local server.
RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.jsonl"))
SITE_ID, API_KEY = "5e1f/site", "key-1234"
PERSON = {"email": "airbyte-live-test@example.com"}
BATCH = "/api/v2/batch"


def conversation() -> list[Exchange]:
    """All probes, recorded at a local Track API."""
    with LocalTrackApi(SITE_ID, API_KEY) as api, Recorder(Scrubber(SITE_ID, API_KEY), api.url) as recorder:
        for batch in probes(PERSON).values():
            requests.post(recorder.url + BATCH, json={"batch": batch}, auth=(SITE_ID, API_KEY), timeout=60)
    return recorder.exchanges


def exchange(**changes: Any) -> Exchange:
    """A request for the region and its answer."""
    return Exchange(
        **{
            "method": "GET",
            "path": "/api/v1/accounts/region",
            "request": "",
            "status": 200,
            "answer": '{"url":"https://track.customer.io","region":"us","environment_id":3}',
            **changes,
        }
    )


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_the_local_server_answers_as_customerio_did(file: Path) -> None:
    """Each request of a recording gets the same status, and the same rows refused for the same reasons."""
    with LocalTrackApi() as api:
        assert differences(read_recording(file), api) == []


def test_the_recorder_passes_on_both_sides_unchanged() -> None:
    """The server sees the client's credentials, type and body; the client the server's status and body."""
    with LocalTrackApi(SITE_ID, API_KEY) as api, Recorder(Scrubber(SITE_ID, API_KEY), api.url) as recorder:
        bodies = [{"batch": [{"type": "person", "action": "identify", "identifiers": PERSON}]}, {"batch": []}]
        for body in bodies:
            direct, recorded = (
                requests.post(url + BATCH, json=body, auth=(SITE_ID, API_KEY), timeout=60)
                for url in (api.url, recorder.url)
            )
            assert (recorded.status_code, recorded.content) == (direct.status_code, direct.content)
        refused = requests.get(recorder.url + "/api/v1/accounts/region", auth=("x", "y"), timeout=60)
    assert refused.status_code == 401
    assert [kept.status for kept in recorder.exchanges] == [200, 400, 401]
    assert [kept.request for kept in recorder.exchanges[:2]] == [json.dumps(body) for body in bodies]


def test_a_recorded_pause_is_kept() -> None:
    """Retry-After is the one header that says something about the API."""
    with LocalTrackApi() as api, Recorder(Scrubber("site", "key"), api.url) as recorder:
        api.inject({"path": "batch", "request": 1, "status": 429, "headers": {"Retry-After": "7"}})
        answer = requests.post(recorder.url + BATCH, json={"batch": [{}]}, auth=("site", "key"), timeout=60)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert [(kept.status, kept.retry_after) for kept in recorder.exchanges] == [(429, "7")]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://track-eu.customer.io", "https://track-eu.customer.io"),
        ("https://track-eu.customer.io/", "https://track-eu.customer.io"),
        ("https://evil.example", "https://track.customer.io"),
        (None, "https://track.customer.io"),
    ],
)
def test_the_recorder_follows_the_account_to_its_region_and_nowhere_else(
    url: str | None, expected: str
) -> None:
    """Credentials only go to Customer.io's hosts."""
    recorder = Recorder(lambda kept: kept)
    try:
        recorder.keep(exchange(answer=json.dumps({"url": url})))
        assert recorder.upstream == expected
    finally:
        recorder.server_close()


def test_a_recording_contains_no_secret(tmp_path: Path) -> None:
    """Not even one that the server quotes, in whatever form."""
    pair = base64.b64encode(f"{SITE_ID}:{API_KEY}".encode()).decode()
    quoted = [
        SITE_ID,
        "5e1f%2Fsite",
        r"5e1f\/site",
        API_KEY,
        pair,
        "grace@corp.example.org",
        "bob@acme.io",
        "203.0.113.7",
    ]
    scrub = Scrubber(SITE_ID, API_KEY)
    kept = scrub(
        exchange(
            answer=json.dumps({"message": " ".join(quoted), "workspace_id": "w-77", "environment_id": 815}),
            request=f"{SITE_ID} {PERSON['email']}",
            path=f"/api?key={API_KEY}",
        )
    )
    file = tmp_path / "recording.jsonl"
    write_recording(file, [kept], "2026-11-26")
    text = file.read_text()
    for secret in (*quoted, "815", "w-77"):
        assert secret not in text
    assert PERSON["email"] in text


def test_a_recording_replayed_at_the_same_server_has_no_differences(tmp_path: Path) -> None:
    """Through the file, as somebody attaches it to an issue."""
    file = tmp_path / "recording.jsonl"
    recorded = conversation()
    write_recording(file, recorded, "2026-11-26")
    assert read_recording(file) == recorded
    assert len({kept.status for kept in recorded}) > 1
    assert main(file) == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": 404}, 1),
        ({"answer": '{"url":"https://track.customer.io"}'}, 1),
        ({"answer": "<html>"}, 1),
        ({"answer": '{"region":"eu","environment_id":0,"url":"x"}'}, 0),
        ({"status": 503, "answer": "<html>"}, 0),
        ({"status": 429, "answer": "{}"}, 0),
    ],
)
def test_what_a_program_depends_on_is_compared(changes: dict[str, Any], expected: int) -> None:
    """Status and members; not the values, and not the answers of a bad moment."""
    with LocalTrackApi() as api:
        assert len(differences([exchange(**changes)], api)) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"batch_index": 0, "reason": "required", "field": "name", "message": "Other words."}, 0),
        ({"batch_index": 1, "reason": "required", "field": "name", "message": ""}, 1),
        ({"batch_index": 0, "reason": "invalid", "field": "name", "message": ""}, 1),
        ({"batch_index": 0, "reason": "required", "field": "id", "message": ""}, 1),
    ],
)
def test_the_verdict_on_each_row_is_compared(error: dict[str, Any], expected: int) -> None:
    """Its row, reason and field; not the message."""
    nameless, good = (
        {"type": "person", "action": action, "identifiers": PERSON} for action in ("event", "identify")
    )
    sent = {"batch": [nameless, good]}
    recorded = exchange(
        method="POST",
        path=BATCH,
        request=json.dumps(sent),
        status=207,
        answer=json.dumps({"errors": [error]}),
    )
    with LocalTrackApi() as api:
        assert len(differences([recorded], api)) == expected


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    """Rather than misread."""
    file = tmp_path / "recording.jsonl"
    file.write_text('{"format": 99}\n')
    with pytest.raises(ValueError, match="not a recording"):
        read_recording(file)


@pytest.mark.parametrize(
    "email",
    ["ada@company.test", "ada@example.com.company.test", "ada@example.com-company.test", "a@b.example.co"],
)
def test_an_address_at_a_domain_that_only_begins_like_a_reserved_one_is_scrubbed(email: str) -> None:
    """Only example.com, example.org and example.net belong to nobody."""
    scrub = Scrubber(SITE_ID, API_KEY)
    assert email not in scrub(exchange(answer=f'{{"message": "{email} is unknown"}}')).answer
    assert PERSON["email"] in scrub(exchange(answer=f"We know {PERSON['email']}.")).answer


def test_every_recorded_text_of_an_exchange_is_scrubbed() -> None:
    """A server may quote a key in the one header that is kept."""
    kept = Scrubber(SITE_ID, API_KEY)(
        exchange(path=f"/{API_KEY}", request=API_KEY, retry_after=f"7 {API_KEY}")
    )
    assert (kept.path, kept.request, kept.retry_after) == ("/[api key]", "[api key]", "7 [api key]")
