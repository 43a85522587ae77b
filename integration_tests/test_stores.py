"""The check of a bucket, and files in it, in every S3 server that the tests have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from destination_customerio.dead_letters.check import check_storage
from destination_customerio.errors import ConfigError
from integration_tests.connector import catalog_of, config_for, record, run_connector, stream, stream_state

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi


def test_the_check_passes_and_leaves_nothing(bucket: Bucket) -> None:
    """Write, list, read back, delete."""
    check_storage(bucket.storage())
    assert bucket.keys() == []


def test_the_check_of_a_missing_bucket(bucket: Bucket) -> None:
    """The message has the name to check."""
    with pytest.raises(ConfigError, match="there is no bucket nobody-made-this"):
        check_storage(bucket.storage(s3_bucket_name="nobody-made-this"))


def test_a_long_name_of_a_stream_fits(api: LocalTrackApi, bucket: Bucket) -> None:
    """s3rver keeps objects as files, whose names have at most 255 bytes."""
    name = "n" * 400
    config = config_for(api.url, object_storage_config=bucket.config())
    done = run_connector(
        "write",
        config,
        catalog_of(stream(name, "person_identify")),
        [record(name, {"person_email": None}), stream_state(name, 1)],
    )
    assert (done.exit_code, done.errors, len(done.states)) == (0, [], 1)
    (key,) = bucket.keys()
    assert max(map(len, key.split("/"))) <= 255


def test_a_large_file_is_uploaded_in_parts(api: LocalTrackApi, bucket: Bucket) -> None:
    """And arrives complete."""
    config = config_for(api.url, object_storage_config=bucket.config(format={"format_type": "JSONL"}))
    done = run_connector(
        "write",
        config,
        catalog_of(stream("users", "person_identify")),
        [
            *(record("users", {"person_email": None, "n": n, "padding": "x" * 1_000_000}) for n in range(20)),
            stream_state("users", 20),
        ],
    )
    assert (done.exit_code, done.errors, len(done.states)) == (0, [], 1)
    (key,) = bucket.keys()
    assert len(bucket.read(key).splitlines()) == 20
