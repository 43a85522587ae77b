"""How the server's answers are handled: delivered, rejected, retried, or the sync fails with a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    cursors,
    record,
    run_connector,
    stream,
    stream_state,
)
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Sequence

CATALOG = catalog_of(stream("orders", "person_event"))


def rows(number: int, **columns: Any) -> list[bytes]:
    """A number of events of one person, followed by a state."""
    event = {"person_email": "a@b.c", "event_name": "paid", **columns}
    return [*(record("orders", {**event, "_seq": n}) for n in range(number)), stream_state("orders", number)]


def write(api: LocalTrackApi, lines: Sequence[bytes], **config: Any) -> Finished:
    """One sync, which must keep the order whatever happens."""
    done = run_connector("write", config_for(api.url, **config), CATALOG, lines)
    assert api.order_violations == []
    return done


def counts(done: Finished) -> list[tuple[float, float]]:
    """Delivered and rejected rows of each state."""
    return [
        (state["destinationStats"]["recordCount"], state["destinationStats"]["rejectedRecordCount"])
        for state in done.states
    ]


FAULTS: list[dict[str, Any]] = [
    *({"status": status} for status in (408, 429, 500, 502, 503, 504, 522, 524)),
    {"status": 503, "retry_after": 1},
    {"status": 429, "retry_after": {"http_date": 2}},
    {"status": 500, "apply": True},
    {"garbage": True},
    {"truncate": True},
    {"reset_before": True},
    {"reset_after_apply": True},
]


def test_what_may_pass_is_tried_again_without_a_double(api: LocalTrackApi) -> None:
    """Each lane's first request fails in its own way; sent again with the same bytes, what was applied counts once."""
    api.inject(*({**fault, "request": number} for number, fault in enumerate(FAULTS, 1)))
    people = [f"u{number}@b.c" for number in range(400)]
    lines = [record("orders", {"person_email": person, "event_name": "paid", "_seq": 1}) for person in people]
    done = write(api, [*lines, stream_state("orders", 1)], max_concurrent_requests=20)
    assert (done.exit_code, counts(done)) == (0, [(400.0, 0.0)])
    assert sorted(event.person.identifiers["email"] for event in api.world.events) == sorted(people)
    report = api.report()
    assert report["requests"]["batch"] == 20 + len(FAULTS)
    assert report["ignored"]["repeated_events"] > 0
    assert report["ignored"]["repeated_events_with_other_content"] == 0
    assert f"{len(FAULTS)} retries [" in done.logs[-1]
    for reason, times in {"HTTP 408": 1, "HTTP 429": 2, "HTTP 500": 2, "HTTP 503": 2, "HTTP 524": 1}.items():
        assert f"{reason}: {times}" in done.logs[-1]


def test_a_207_rejects_the_rows_it_names_and_no_others(api: LocalTrackApi) -> None:
    """Several errors of one row are one rejected row."""
    errors = [
        {"batch_index": 3, "reason": "invalid", "field": "name", "message": "bad name"},
        {"batch_index": 3, "message": "and more"},
        {"batch_index": 7},
    ]
    api.inject({"errors207": errors, "request": 1})
    done = write(api, rows(10))
    assert (done.exit_code, counts(done)) == (0, [(8.0, 2.0)])
    assert [event.attributes["_seq"] for event in api.world.events] == [0, 1, 2, 4, 5, 6, 8, 9]
    assert "2 rejected [" in "\n".join(done.logs)
    assert api.report()["requests"]["batch"] == 1


def test_refused_credentials_end_the_sync_at_once(api: LocalTrackApi) -> None:
    """No retry, no row marked as rejected, nothing acknowledged."""
    api.inject({"status": 401})
    done = write(api, rows(10))
    assert (done.exit_code, done.states) == (1, [])
    assert done.error["failure_type"] == "config_error"
    assert "Tracking API Keys" in done.error["message"]
    assert api.report()["requests"]["batch"] == 1
    assert "0 rejected" in "\n".join(done.logs)


def test_states_before_a_failure_are_acknowledged_and_none_after(api: LocalTrackApi) -> None:
    """Settled states are emitted although the sync fails: the first request is accepted, the second is not."""
    api.inject({"status": 401, "contains": '"late"'})
    early = {"person_email": "a@b.c", "event_name": "early", "x": "y" * 30_000}
    lines = [
        *[record("orders", early)] * 10,
        stream_state("orders", 1),
        *[record("orders", early)] * 10,
        record("orders", {"person_email": "a@b.c", "event_name": "late"}),
        stream_state("orders", 2),
    ]
    done = write(api, lines)
    assert "Tracking API Keys" in done.failure("config_error")
    assert (cursors(done.states), counts(done)) == ([1], [(10.0, 0.0)])
    assert len(api.world.events) == 16


def test_a_redirect_elsewhere_is_refused(api: LocalTrackApi) -> None:
    """The credentials go to no host that is not Customer.io's."""
    with LocalTrackApi() as elsewhere:
        api.inject({"status": 307, "headers": {"Location": f"{elsewhere.url}/api/v2/batch"}})
        done = write(api, rows(10))
        assert elsewhere.report()["requests"] == {}
    assert (done.exit_code, done.states) == (1, [])
    assert done.error["failure_type"] == "config_error"
    assert "redirect" in done.error["message"]


def test_rows_of_many_people_go_in_many_requests_at_once(api: LocalTrackApi) -> None:
    """As many as configured, and never two with rows of one person."""
    # The first on each lane waits for the others, however slow the machine is.
    api.inject({"request": [1, 4], "delay_seconds": 2})
    event = {"event_name": "paid", "x": "y" * 900}
    lines = [record("orders", {**event, "person_email": f"u{n % 500}@b.c", "_seq": n}) for n in range(4_000)]
    done = write(api, lines, max_concurrent_requests=4)
    assert done.exit_code == 0
    assert api.report()["max_concurrent_requests"] == 4
    assert len(api.world.events) == 4_000
