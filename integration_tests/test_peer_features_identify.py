"""Ways to identify and update people: each through lost answers, refused requests and kills, however it is configured."""

from __future__ import annotations

import html
import json
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.command_line import run_command
from integration_tests.connector import (
    Connector,
    catalog_of,
    config_for,
    cursors,
    record,
    run_connector,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

# About sixty rows to a request.
_PADDING = "x" * 950
_PADDING_COLUMNS = 8
ROWS = 300
# Refused with the whole request by the local API.
POISONED = 77


@dataclass(frozen=True)
class Feature:
    """A feature, and what it makes of row `number`.

    row       the row
    person    the identifiers by which the person is known afterwards
    expected  the person's attributes after the row, without the padding; None if there is no such person
    explained what the log says of the stream
    before    rows of an ordinary sync before, by email
    """

    name: str
    row: Callable[[int], dict[str, Any]]
    person: Callable[[int], dict[str, str]]
    expected: Callable[[int], dict[str, Any] | None]
    explained: str
    before: Callable[[int], dict[str, Any] | None] = lambda _: None
    config: Mapping[str, Any] = field(default_factory=dict)
    in_stream: Mapping[str, Any] = field(default_factory=dict)
    in_both: Mapping[str, Any] = field(default_factory=dict)
    in_mapping: Mapping[str, Any] = field(default_factory=dict)

    def configured(self, way: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The configuration and the catalog: the object is named in the catalog or in `stream_mappings`."""
        if way == "catalog":
            return dict(self.config), catalog_of(
                stream("rows", "person_identify", sync_id=7, **self.in_both, **self.in_stream)
            )
        mapping = {"stream_name": "rows", "destination_object_name": "person_identify", **self.in_mapping}
        return {**self.config, "stream_mappings": [mapping]}, catalog_of(
            stream("rows", sync_id=7, **self.in_both)
        )

    def line(self, number: int, **more: Any) -> bytes:
        """The row as a message."""
        padding = {f"padding_{column}": _PADDING for column in range(_PADDING_COLUMNS)}
        return record("rows", {**self.row(number), **padding, **more})


UPDATE_ONLY = Feature(
    "update only",
    row=lambda number: {"person_email": f"u{number}@b.c", "plan": "pro"},
    person=lambda number: {"email": f"u{number}@b.c"},
    expected=lambda number: {"known": True, "plan": "pro"} if number % 2 else None,
    explained="Stream rows goes to person_identify, updating people who exist and creating nobody.",
    before=lambda number: {"known": True} if number % 2 else None,
    in_stream={"destination_sync_mode": "update"},
    in_mapping={"destination_sync_mode": "update"},
)
FEATURES = [
    UPDATE_ONLY,
    Feature(
        "nulls are left out",
        row=lambda number: {
            "person_email": f"u{number}@b.c",
            "plan": None,
            "city": "London",
            "inner": {"a": None},
        },
        person=lambda number: {"email": f"u{number}@b.c"},
        expected=lambda _: {"plan": "pro", "city": "London", "inner": {"a": None}},
        explained="Null attributes are left out (null_values: omit).",
        before=lambda _: {"plan": "pro"},
        config={"null_values": "omit"},
    ),
    Feature(
        "the time of an update",
        # The newest of these times is that of the row before; Customer.io drops the others.
        row=lambda number: {
            "person_email": f"u{number}@b.c",
            "person_updated_at": f"2024-05-0{1 + number % 3}T12:00:00Z",
            "plan": "pro",
        },
        person=lambda number: {"email": f"u{number}@b.c"},
        expected=lambda number: {"plan": "free"} if number % 3 == 0 else {"plan": "pro"},
        explained="Stream rows goes to person_identify.",
        before=lambda _: {"plan": "free", "person_updated_at": "2024-05-02T12:00:00Z"},
    ),
    Feature(
        "any identifier",
        row=lambda number: {
            "person_id": number if number % 3 else None,
            "person_email": f"u{number}@b.c" if number % 2 else None,
            "person_phone": f"+4420{number:07}",
        },
        person=lambda number: (
            {"id": str(number)}
            if number % 3
            else {"email": f"u{number}@b.c"}
            if number % 2
            else {"phone": f"+4420{number:07}"}
        ),
        expected=lambda number: {
            **({"email": f"u{number}@b.c"} if number % 3 and number % 2 else {}),
            **({"phone": f"+4420{number:07}"} if number % 3 or number % 2 else {}),
        },
        explained=(
            "Stream rows goes to person_identify; the first of person_cio_id, person_id, person_email, person_phone that a "
            "row has identifies the person."
        ),
        config={"identifierType": "any"},
    ),
    Feature(
        "the identifier of the primary key",
        row=lambda number: {
            "person_id": number,
            "person_email": f"u{number}@b.c",
            "person_cio_id": f"a{number}",
        },
        person=lambda number: {"email": f"u{number}@b.c"},
        expected=lambda number: {"id": str(number)},
        explained="Stream rows goes to person_identify; its primary key identifies people by person_email.",
        config={"identifierType": "any"},
        in_both={"primary_key": [["person_email"]]},
    ),
]
each_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
each_way = pytest.mark.parametrize("way", ["catalog", "stream_mappings"])


def prepare(api: LocalTrackApi, feature: Feature) -> None:
    """Create those who are known before."""
    rows = [
        record("people", {"person_email": f"u{number}@b.c", **before})
        for number in range(ROWS)
        if (before := feature.before(number)) is not None
    ]
    if rows:
        done = run_connector(
            "write", config_for(api.url), catalog_of(stream("people", "person_identify")), rows
        )
        assert (done.exit_code, done.errors) == (0, [])


def check_people(api: LocalTrackApi, feature: Feature, but: int | None = None) -> None:
    """Everybody is as the feature wants it; nothing of row `but` has arrived."""
    for number in range(ROWS):
        found = api.world.person(**feature.person(number))
        attributes = found and {
            name: value for name, value in found.attributes.items() if not name.startswith("padding_")
        }
        before = feature.before(number)
        if before:
            before = {name: value for name, value in before.items() if name != "person_updated_at"}
        assert attributes == (before if number == but else feature.expected(number)), number
    assert api.order_violations == []


@each_way
@each_feature
def test_it_survives_lost_answers_and_refused_requests(
    api: LocalTrackApi, bucket: Bucket, feature: Feature, way: str
) -> None:
    """Only the row that spoils its requests is rejected; once it is accepted, a replay sends it in the same way."""
    prepare(api, feature)
    api.inject(
        {"contains": '"spoils":true', "status": 400, "body": "{}"}, {"every": 3, "reset_after_apply": True}
    )
    config, catalog = feature.configured(way)
    config = config_for(api.url, object_storage_config=bucket.config(), **config)
    lines = [
        feature.line(number, **({"spoils": True} if number == POISONED else {})) for number in range(ROWS)
    ]
    done = run_connector("write", config, catalog, [*lines, stream_state("rows", ROWS)])
    assert (done.exit_code, done.errors) == (0, [])
    assert feature.explained in done.logs
    (state,) = done.states
    assert state["destinationStats"] == {"recordCount": ROWS - 1.0, "rejectedRecordCount": 1.0}
    check_people(api, feature, but=POISONED)
    api.inject()
    replayed = run_command("replay", config, catalog)
    assert (replayed.exit_code, replayed.stderr) == (0, "")
    found = api.world.person(**feature.person(POISONED))
    if found:
        assert found.attributes.pop("spoils") is True
    check_people(api, feature)


@each_feature
def test_it_resumes_after_a_kill(api: LocalTrackApi, feature: Feature) -> None:
    """Rows that are sent a second time change nothing."""
    prepare(api, feature)
    api.configure(latency_seconds=0.2)
    config, catalog = feature.configured("catalog")
    config = config_for(api.url, max_concurrent_requests=2, **config)

    def lines(first: int) -> Iterator[bytes]:
        for number in range(first, ROWS):
            yield feature.line(number)
            if number % 50 == 49:
                yield stream_state("rows", number + 1)

    with Connector("write", config, catalog) as connector:
        feeder = threading.Thread(target=connector.send, args=(lines(0),))
        feeder.start()
        connector.next_message("STATE")
        connector.signal(signal.SIGKILL)
        killed = connector.wait()
        feeder.join()
    acknowledged = cursors(killed.states)[-1]
    api.new_sync()
    done = run_connector("write", config, catalog, lines(acknowledged))
    assert (done.exit_code, done.errors) == (0, [])
    check_people(api, feature)


@each_way
@each_feature
def test_a_dry_run_explains_it(feature: Feature, way: str, tmp_path: Path) -> None:
    """Without a request, with the same sentence as the sync, in the report too, and the truth about each column."""
    config, catalog = feature.configured(way)
    config = config_for("http://127.0.0.1:1", **config)
    report = tmp_path / "report.html"
    arguments = "--dry-run", "--json", "--show-values", "--sample", "1", "--report", str(report)
    done = run_command("write", config, catalog, *arguments, rows=[feature.line(1)])
    assert done.exit_code == 0
    assert feature.explained in done.stderr.splitlines()
    assert "1 row read, 1 would be sent, 0 rejected." in done.stderr
    document = json.loads(done.stdout)
    (found,) = document["streams"]
    how = feature.explained.removeprefix("Stream rows goes to person_identify").strip(",; .")
    if feature.explained in document["settings"]:
        assert html.escape(feature.explained) in report.read_text()
    else:
        assert found["how"] == how
        assert f"{how[1:]}." in report.read_text() or not how
    (sample,) = found["samples"]
    entry = sample["entry"]
    for use in sample["columns"]:
        sent_as = use["becomes"].removeprefix("person_")
        match use["use"]:
            case "identifier":
                assert sent_as in entry["identifiers"]
            case "left out":
                assert use["column"] not in entry["attributes"]
                assert use["note"] not in ("", "not sent")
            case "named":
                assert entry["timestamp"]
            case _:
                assert sent_as in entry["attributes"]


def test_a_dry_run_says_how_long_a_throttled_sync_takes() -> None:
    """At least; and that it is throttled on purpose."""
    rows = [record("rows", {"person_email": f"u{number}@b.c"}) for number in range(ROWS)]
    config = config_for("http://127.0.0.1:1", max_rows_per_second=2)
    catalog = catalog_of(stream("rows", "person_identify"))
    done = run_connector("write", config, catalog, rows, arguments=["--dry-run"])
    assert "At 2 rows per second, the sync would take at least 0:02:30 (h:mm:ss)." in done.logs
    assert any(line.startswith("Throttled on purpose: at most 2 rows per second") for line in done.logs)


def test_a_stream_of_which_no_column_identifies_people_fails_before_the_first_row(api: LocalTrackApi) -> None:
    """In a sync and in a dry run, with the sentence that says what to map."""
    catalog = catalog_of(stream("rows", "person_event", properties={"event_name": {}, "email": {}}))
    for arguments in ([], ["--dry-run"]):
        done = run_connector(
            "write", config_for(api.url, identifierType="any"), catalog, [], arguments=arguments
        )
        message = done.failure("config_error")
        assert "No column of these streams identifies people: stream rows goes to person_event." in message
    assert "batch" not in api.report()["requests"]


@each_way
def test_a_row_of_thousands_of_relationships_that_only_updates_creates_nobody(
    api: LocalTrackApi, way: str
) -> None:
    """It takes several entries: somebody who exists gets all of the relationships, nobody else is created by any of them."""
    done = run_connector(
        "write",
        config_for(api.url),
        catalog_of(stream("rows", "person_identify")),
        [record("rows", {"person_email": "ada@b.c"})],
    )
    assert done.exit_code == 0
    related = [{"identifiers": {"object_type_id": "1", "object_id": f"o{n}"}} for n in range(2_000)]
    config, catalog = UPDATE_ONLY.configured(way)
    lines = [
        record("rows", {"person_email": email, "cio_relationships": related})
        for email in ("ada@b.c", "new@b.c")
    ]
    api.inject({"every": 2, "reset_after_apply": True})
    done = run_connector("write", config_for(api.url, **config), catalog, lines)
    assert (done.exit_code, done.errors) == (0, [])
    (person,) = api.world.profiles()
    assert person.identifiers == {"email": "ada@b.c"}
    assert len(api.world.relationships) == len(related)


@pytest.mark.parametrize(("name", "mode"), [("person_event", "update"), ("person_identify", "soft_delete")])
@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_a_sync_mode_that_an_object_does_not_have_is_refused_before_the_first_row(
    api: LocalTrackApi, name: str, mode: str, arguments: list[str]
) -> None:
    """An event creates the person that it names, and so would a row that should delete them."""
    catalog = catalog_of(stream("rows", name, destination_sync_mode=mode))
    done = run_connector(
        "write",
        config_for(api.url),
        catalog,
        [record("rows", {"person_email": "a@b.c"})],
        arguments=arguments,
    )
    message = done.failure("config_error")
    assert f"stream rows goes to {name}, which has append" in message
    assert f"not {mode}. Nothing was written" in message
    assert "batch" not in api.report()["requests"]


@each_way
@pytest.mark.parametrize("deleted_rows", ["skip", "delete"])
def test_rows_deleted_in_the_source_are_no_updates_whatever_identifies_their_people(
    api: LocalTrackApi, way: str, deleted_rows: str
) -> None:
    """Skipped, or the person is deleted by the first identifier that the row has; a row that has none is rejected."""
    people = [{"person_email": "ada@b.c"}, {"person_id": "u1"}, {"person_phone": "+4420"}]
    config = config_for(
        api.url,
        identifierType="any",
        deleted_rows=deleted_rows,
        allow_destructive_operations=True,
    )
    rows = [record("rows", person) for person in [*people, {"person_email": "bob@b.c"}]]
    assert run_connector("write", config, catalog_of(stream("rows", "person_identify")), rows).exit_code == 0
    api.inject({"every": 2, "reset_after_apply": True})
    mapped, catalog = UPDATE_ONLY.configured(way)
    deleted = {"_ab_cdc_deleted_at": "2024-03-18T13:42:21Z", "plan": None}
    absent = dict.fromkeys(("person_id", "person_email", "person_phone"))
    rows = [record("rows", {**absent, **person, **deleted}) for person in [*people, {}]]
    done = run_connector("write", {**config, **mapped}, catalog, [*rows, stream_state("rows", 1)])
    assert (done.exit_code, done.errors) == (0, [])
    (state,) = done.states
    left = [person.identifiers for person in api.world.profiles()]
    if deleted_rows == "skip":
        assert len(left) == 4
        assert state["destinationStats"] == {"recordCount": 4.0, "rejectedRecordCount": 0.0}
    else:
        assert left == [{"email": "bob@b.c"}]
        assert state["destinationStats"] == {"recordCount": 3.0, "rejectedRecordCount": 1.0}
    assert all("plan" not in person.attributes for person in api.world.profiles())


def test_discover_offers_any_identifier_as_alternative_keys(api: LocalTrackApi) -> None:
    """One key for each way to identify people, for the upsert and for the update."""
    done = run_connector("discover", config_for(api.url, identifierType="any"))
    (message,) = done.messages
    operations = message["destination_catalog"]["operations"]
    people = [operation for operation in operations if operation["object_name"] == "person_identify"]
    assert [operation["sync_mode"] for operation in people] == ["append_dedup", "update"]
    for operation in people:
        assert operation["matching_keys"] == [
            ["person_cio_id"],
            ["person_id"],
            ["person_email"],
            ["person_phone"],
        ]


def test_every_object_takes_any_identifier_and_leaves_nulls_out(api: LocalTrackApi) -> None:
    """Through lost answers; each row in order with those that identify their person in the same way."""
    api.inject({"every": 2, "reset_after_apply": True})
    names = ["person_identify", "person_event", "person_device", "person_relationship", "person_delete"]
    catalog = catalog_of(*(stream(name, name) for name in names))
    ada, bob = {"person_id": "u1", "person_email": "ada@b.c"}, {"person_id": None, "person_email": "bob@b.c"}
    lines = [
        *(record("person_identify", {**person, "plan": None, "n": 1}) for person in (ada, bob)),
        *(record("person_event", {**person, "event_name": "paid", "coupon": None}) for person in (ada, bob)),
        record("person_device", {**bob, "device_token": "t", "platform": "ios", "model": None}),
        record("person_relationship", {**bob, "object_type_id": 1, "object_id": "acme", "role": None}),
        record("person_delete", ada),
    ]
    config = config_for(api.url, identifierType="any", null_values="omit", allow_destructive_operations=True)
    done = run_connector("write", config, catalog, lines)
    assert (done.exit_code, done.errors) == (0, [])
    assert not [log["message"] for log in done.of_type("LOG") if "ignores" in log["message"]]
    (person,) = api.world.profiles()
    assert (person.identifiers, person.attributes) == ({"email": "bob@b.c"}, {"n": 1})
    assert person.devices == {"t": {"token": "t", "platform": "ios", "attributes": {}}}
    assert api.world.relationships == {("email:bob@b.c", ("1", "acme")): {}}
    (event,) = api.world.events
    assert (event.person, event.attributes) == (person, {})
    assert api.order_violations == []
