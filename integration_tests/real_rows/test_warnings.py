"""What the catalog shows before the first row is warned of once, in a sync and in a dry run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from integration_tests.connector import (
    Finished,
    catalog_of,
    config_for,
    record,
    run_at_once,
    run_connector,
    stream,
    stream_state,
)

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi


def users(*columns: str, **more: Any) -> dict[str, Any]:
    """The stream `users` with these columns."""
    return stream("users", properties={column: {"type": "string"} for column in columns}, **more)


def warnings(done: Finished) -> list[str]:
    """The warnings of a sync, in order."""
    return [log["message"] for log in done.of_type("LOG") if log["level"] == "WARN"]


def test_the_catalogs_mistakes_are_warned_of_once(api: LocalTrackApi) -> None:
    """One warning for each cause, in the sync and in the dry run, and none where all is well."""
    mapping = {
        "stream_name": "users",
        "destination_object_name": "person_identify",
        "field_mappings": [{"source": "MAIL", "destination": "person_email"}],
    }
    to_people = {"destination_object_name": "person_identify"}
    cases: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
        "reserved names": (
            users("person_email", "UNSUBSCRIBED", "CREATED_AT", "Cio_Subscription_Preferences", **to_people),
            {},
            ["UNSUBSCRIBED, CREATED_AT, Cio_Subscription_Preferences."],
        ),
        "reserved names of a mapped stream": (
            users("MAIL", "UNSUBSCRIBED"),
            {"stream_mappings": [mapping]},
            ["with a meaning: UNSUBSCRIBED."],
        ),
        "another identifier": (
            users("person_id", "plan", **to_people),
            {"identifierType": "email"},
            ["has no column person_email in its schema"],
        ),
        "overwrite": (
            users("person_email", destination_sync_mode="overwrite", **to_people),
            {},
            ["users (overwrite). Customer.io can't be overwritten"],
        ),
        "nothing": (users("person_email", "unsubscribed", "Plan", **to_people), {}, []),
    }
    row = {"person_email": "ada@example.com", "person_id": "1", "MAIL": "ada@example.com"}
    lines = [*([record("users", row)] * 3), stream_state("users", 1)]
    runs = {
        (name, is_dry): partial(
            run_connector,
            "write",
            config_for(api.url, **settings),
            catalog_of(configured),
            lines,
            arguments=["--dry-run"] if is_dry else [],
        )
        for name, (configured, settings, _) in cases.items()
        for is_dry in (False, True)
    }
    done = run_at_once({f"{name}, dry: {is_dry}": run for (name, is_dry), run in runs.items()})
    for name, (_, _, expected) in cases.items():
        for is_dry in (False, True):
            finished = done[f"{name}, dry: {is_dry}"]
            assert finished.exit_code == 0
            found = warnings(finished)
            assert len(found) == len(expected), (name, found)
            assert all(words in line for words, line in zip(expected, found, strict=True)), (name, found)


def test_rejected_rows_are_warned_of_in_the_summary(api: LocalTrackApi, bucket: Bucket) -> None:
    """By stream; with a line of its own if no row was delivered, and one if no rejected row is kept."""
    catalog = catalog_of(
        stream("good", "person_identify"),
        stream("mixed", "person_identify"),
        stream("bad", "person_identify"),
    )
    fine, broken = {"person_email": "ada@example.com"}, {"person_email": None}
    lines = [record("good", fine), record("mixed", fine), record("mixed", broken), record("bad", broken)]
    with_bucket = config_for(api.url, object_storage_config=bucket.config())
    done = run_at_once(
        {
            "no bucket": partial(run_connector, "write", config_for(api.url), catalog, lines),
            "bucket": partial(run_connector, "write", with_bucket, catalog, lines),
            "dry run": partial(
                run_connector, "write", config_for(api.url), catalog, lines, arguments=["--dry-run"]
            ),
        }
    )
    for name, word in (("no bucket", "delivered"), ("bucket", "delivered"), ("dry run", "would be sent")):
        levels = {log["message"]: log["level"] for log in done[name].of_type("LOG")}
        rejected = "1 rejected [required (person_email): 1]."
        assert levels[f"Stream good: 1 row read, 1 {word}, 0 rejected."] == "INFO"
        assert levels[f"Stream mixed: 2 rows read, 1 {word}, {rejected}"] == "WARN"
        assert levels[f"Stream bad: 1 row read, 0 {word}, {rejected}"] == "WARN"
        assert [line for line in warnings(done[name]) if line.startswith("No row of stream")] == [
            f"No row of stream bad {'would be sent' if name == 'dry run' else 'was delivered'}, although 1 row was read."
        ]
        unkept = [line for line in warnings(done[name]) if "no bucket is configured" in line]
        assert len(unkept) == (name != "bucket")
        assert all(line.startswith("2 rejected rows ") for line in unkept)
