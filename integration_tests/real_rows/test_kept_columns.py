"""Columns of a row that have the names of ours: kept in the dead letters, and restored by a replay."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.dead_letters.reading.reader import layout_of, read_rows
from integration_tests.command_line import run_command
from integration_tests.connector import catalog_of, config_for, record, run_connector, stream

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

OWN = {
    "rejected_reason": "low income",
    "rejected_field": "income",
    "rejected_message": {"text": "Sorry"},
    "rejected_reason_from_row": "other",
    "amount": 1.5,
}


def loans(*columns: str) -> dict[str, Any]:
    """A table of loans whose schema has these columns."""
    return catalog_of(
        stream("loans", "person_identify", properties={name: {} for name in columns}, sync_id=42)
    )


@pytest.mark.parametrize(
    ("layout", "in_schema"),
    [
        (("JSONL", "No flattening"), False),
        (("CSV", "Root level flattening"), False),
        (("CSV", "Root level flattening"), True),
    ],
    ids=["JSON Lines", "table without them in the schema", "table with them in the schema"],
)
def test_columns_named_like_the_reasons_survive_rejections_and_replays(
    api: LocalTrackApi, bucket: Bucket, layout: tuple[str, str], in_schema: bool
) -> None:
    """In every layout, in the schema or not; a row that is rejected again keeps its names."""
    catalog = loans("person_id", *OWN) if in_schema else loans("person_id")
    storage = bucket.config(format={"format_type": layout[0], "flattening": layout[1]})

    def config(identifier: str) -> dict[str, Any]:
        return config_for(api.url, object_storage_config=storage, identifierType=identifier)

    row = {"person_id": "u1", **OWN}
    done = run_connector("write", config("email"), catalog, [record("loans", row)])
    assert done.exit_code == 0
    (key,) = bucket.keys()
    for identifier, field in (
        ("email", "person_email"),
        ("phone", "person_phone"),
        ("email", "person_email"),
    ):
        (kept,) = read_rows(layout_of(io.BytesIO(bucket.read(key))))
        assert kept.data is not None
        assert json.loads(kept.data) == row
        ended = run_command("replay", config(identifier), catalog)
        assert f"1 row rejected again: required ({field})" in ended.stdout
        names = bucket.read(key)
        assert names.count(b"rejected_reason_from_row_from_row") == 1
        assert b"rejected_field_from_row_from_row" not in names
    ended = run_command("replay", config("id"), catalog)
    assert "1 row accepted, 0 rejected again. Done." in ended.stdout
    (person,) = api.world.profiles()
    assert (person.identifiers, person.attributes) == ({"id": "u1"}, OWN)


REASONS = '"rejected_reason":"required","rejected_field":"person_email","rejected_message":"No."'
OURS = '"_airbyte_raw_id":"1","_airbyte_extracted_at":1,"_airbyte_meta":{"sync_id":42,"changes":[]},"_airbyte_generation_id":0'
OUR_HEADER = '"_airbyte_raw_id","_airbyte_extracted_at","_airbyte_meta","_airbyte_generation_id"'
OUR_CELLS = '"1",1,"{""sync_id"":42,""changes"":[]}",0'
QUOTED_REASONS = REASONS.replace('"', '""')
REASON_COLUMNS = '"rejected_reason","rejected_field","rejected_message"'
OLD_FILES = {
    "whole.jsonl": f'{{{OURS},"_airbyte_data":{{"person_id":"u1","n":1.50,{REASONS}}}}}\n',
    "flat.jsonl": f'{{{OURS},"person_id":"u1","n":1.50,{REASONS}}}\n',
    "whole.csv": (
        f'{OUR_HEADER},"_airbyte_data"\r\n'
        f'{OUR_CELLS},"{{""person_id"":""u1"",""n"":1.50,{QUOTED_REASONS}}}"\r\n'
    ),
    "flat.csv": (
        f'{OUR_HEADER},"person_id","_airbyte_data",{REASON_COLUMNS}\r\n'
        f'{OUR_CELLS},"u1","{{""n"":1.50}}","required","person_email","No."\r\n'
    ),
}


@pytest.mark.parametrize("name", OLD_FILES)
def test_files_of_older_versions_are_replayed(api: LocalTrackApi, bucket: Bucket, name: str) -> None:
    """Their only columns with these names are the reasons."""
    storage = bucket.config()
    bucket.client.put_object(
        Bucket=bucket.name, Key=f"customerio/rejected/42/loans/{name}", Body=OLD_FILES[name].encode()
    )
    config = config_for(api.url, object_storage_config=storage, identifierType="id")
    ended = run_command("replay", config, loans("person_id"))
    assert "1 row accepted, 0 rejected again. Done." in ended.stdout
    (person,) = api.world.profiles()
    assert (person.identifiers, person.attributes) == ({"id": "u1"}, {"n": 1.5})
