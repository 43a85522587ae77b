"""Objects and arrays as warehouses have them: as JSON text, and reached by position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration_tests.connector import catalog_of, config_for, record, run_connector, stream, stream_state

if TYPE_CHECKING:
    from tools.local_track_api import LocalTrackApi

PROPERTIES = {
    "emails": {"type": ["null", "array"]},
    "address": {"type": ["null", "object"]},
    "note": {"type": ["null", "string"]},
}


def test_json_text_is_parsed_where_the_schema_says_so_and_arrays_are_reached(api: LocalTrackApi) -> None:
    """Whether the array is one or the text of one; text that can't be parsed is sent as it is."""
    mapping = {
        "stream_name": "users",
        "destination_object_name": "person_identify",
        "field_mappings": [{"source": "emails.0.value", "destination": "person_email"}],
    }
    rows: list[dict[str, Any]] = [
        {"emails": [{"value": "a@x.io"}], "address": '{"city":"London"}', "note": '{"city":"London"}'},
        {"emails": '[{"value":"b@x.io"}]', "address": "London", "note": "[]"},
    ]
    lines = [*(record("users", row) for row in rows), stream_state("users", 1)]
    config = config_for(api.url, stream_mappings=[mapping])
    done = run_connector("write", config, catalog_of(stream("users", properties=PROPERTIES)), lines)
    assert done.exit_code == 0
    assert done.states[0]["destinationStats"] == {"recordCount": 2.0, "rejectedRecordCount": 0.0}
    assert {person.identifiers["email"]: person.attributes for person in api.world.profiles()} == {
        "a@x.io": {
            "emails": [{"value": "a@x.io"}],
            "address": {"city": "London"},
            "note": '{"city":"London"}',
        },
        "b@x.io": {"emails": [{"value": "b@x.io"}], "address": "London", "note": "[]"},
    }
