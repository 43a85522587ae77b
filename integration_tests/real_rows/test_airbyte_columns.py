"""Rows that were loaded by another connection have Airbyte's own columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration_tests.connector import catalog_of, config_for, record, run_connector, stream, stream_state

if TYPE_CHECKING:
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"), stream("orders", "person_event"))


def airbytes(load: int) -> dict[str, Any]:
    """Columns that differ each time a row is loaded."""
    return {
        "_airbyte_raw_id": f"raw-{load}",
        "_airbyte_extracted_at": load,
        "_airbyte_meta": {"sync_id": load, "changes": []},
        "_airbyte_generation_id": load,
        "_ab_cdc_lsn": load,
        "_ab_cdc_updated_at": f"2024-01-0{load}",
        "_ab_source_file_url": f"s3://bucket/{load}",
    }


def test_airbytes_columns_are_no_attributes_and_no_part_of_an_id(api: LocalTrackApi) -> None:
    """Two loads of an order are one event."""
    lines = []
    for load in (1, 2):
        lines += [
            record("users", {"person_email": "ada@example.com", "plan": "pro", **airbytes(load)}),
            record(
                "orders",
                {"person_email": "ada@example.com", "event_name": "paid", "order": 7, **airbytes(load)},
            ),
        ]
    config = config_for(api.url, event_id_strategy="from_row")
    done = run_connector("write", config, CATALOG, [*lines, stream_state("users", 1)])
    assert done.exit_code == 0
    (ada,) = api.world.profiles()
    assert ada.attributes == {"plan": "pro"}
    assert [event.attributes for event in api.world.events] == [{"order": 7}]
    assert api.world.ignored.repeated_events == 1


def test_in_a_mapped_stream_only_those_mapped_by_name_are_sent(api: LocalTrackApi) -> None:
    """Under its own or another name, or reached within; the id is the same all the same."""
    mapping = {
        "stream_name": "orders",
        "destination_object_name": "person_event",
        "field_mappings": [
            {"source": "email", "destination": "person_email"},
            {"value": "paid", "destination": "event_name"},
            {"source": "_ab_source_file_url", "destination": "_ab_source_file_url"},
            {"source": "_ab_cdc_lsn", "destination": "lsn"},
            {"source": "_airbyte_meta.sync_id", "destination": "sync"},
        ],
    }
    config = config_for(api.url, event_id_strategy="from_row", stream_mappings=[mapping])
    lines = [record("orders", {"email": "ada@example.com", "order": 7, **airbytes(load)}) for load in (1, 2)]
    done = run_connector("write", config, catalog_of(stream("orders")), [*lines, stream_state("orders", 1)])
    assert done.exit_code == 0
    (event,) = api.world.events
    assert event.attributes == {"order": 7, "_ab_source_file_url": "s3://bucket/1", "lsn": 1, "sync": 1}
    assert api.world.ignored.repeated_events == 1
