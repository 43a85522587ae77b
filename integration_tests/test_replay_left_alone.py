"""Files that `replay` can't use are reported and left unchanged; a failure is one error message."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from integration_tests.command_line import Ended, run_command
from integration_tests.connector import (
    catalog_of,
    config_for,
    stream,
)
from integration_tests.rejected_rows import (
    CATALOG,
    GOOD_ORDERS,
    LINES,
    ORDERS,
    arrived,
    config,
    contents,
    fill,
)
from integration_tests.s3_proxy import proxy_to

if TYPE_CHECKING:
    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi


def test_what_can_not_be_replayed_is_said_and_left_alone(api: LocalTrackApi, bucket: Bucket) -> None:
    """Other kinds of files, broken ones, and those whose stream is unknown or not in the catalog."""
    storage = bucket.config(path_format="{sync_id}/")
    fill(api, storage)
    below = "customerio/rejected/"
    header = b'"_airbyte_raw_id","_airbyte_data"\r\n'
    put: dict[str, bytes] = {
        "notes.txt": b"call them tomorrow",
        "42/unlabelled.csv": header + b'"r","{""person_id"":""u1""}"\r\n',
        "_check_test": b"left over",
        # Of a connection whose bucket path is below this one.
        f"other/_check_test_{'0' * 32}": b"left over",
        "other/_replay_claim": b"{}",
        "other/_replay_00000000-0000-0000-0000-000000000000": header,
    }
    for name, body in put.items():
        bucket.client.put_object(Bucket=bucket.name, Key=below + name, Body=body)
    (orders,) = (key for key in contents(bucket) if b"paid" in bucket.read(key))
    label = bucket.client.head_object(Bucket=bucket.name, Key=orders)["Metadata"]
    cut = gzip.compress(bucket.read(orders))[:-30]
    bucket.client.put_object(Bucket=bucket.name, Key=below + "cut.csv.gz", Body=cut, Metadata=label)
    done = run_command("replay", config(api, storage), catalog_of(ORDERS))
    assert done.exit_code == 0
    assert sorted(arrived(api)) == GOOD_ORDERS
    assert f"{below}cut.csv.gz: left unchanged: its compression is broken, or it is truncated." in done.stdout
    unknown = "left unchanged: neither its label nor its key says which stream it belongs to; name the stream with --stream."
    for name in ("notes.txt", "42/unlabelled.csv"):
        assert f"{below}{name}: {unknown}" in done.stdout
    assert "left unchanged: the catalog has no stream shop.Größe" in done.stdout
    assert "Left unchanged: 4 files (see above)." in done.stdout
    assert all(bucket.read(below + name) == body for name, body in put.items())


def test_rows_that_another_connection_has_replayed_are_left_alone(api: LocalTrackApi, bucket: Bucket) -> None:
    """Its bucket path may be below this one; a stream or a folder may have the same name as its folder."""
    storage = bucket.config()
    fill(api, storage, LINES[:9])
    (orders,) = bucket.keys()
    label = bucket.client.head_object(Bucket=bucket.name, Key=orders)["Metadata"]
    row = (
        b'"_airbyte_raw_id","_airbyte_data"\r\n'
        b'"r%d","{""person_id"":""u1"",""event_name"":""paid"",""_seq"":%d}"\r\n'
    )
    from_another = {"replayed-from": "0123"}
    for number, (name, metadata) in enumerate(
        {
            "other/replayed/orders/1.csv": {**label, **from_another},
            "other/deeper/replayed/1.csv": {**label, **from_another},
            # Not of a replay, and moved back to be sent again.
            "other/replayed/orders/2.csv": label,
            "other/orders/3.csv": {**label, **from_another},
        }.items(),
        100,
    ):
        key = f"customerio/rejected/{name}"
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=row % (number, number), Metadata=metadata)
    assert "11 rejected rows in 3 files." in run_command("rejected", config(api, storage)).stdout
    done = run_command("replay", config(api, storage), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(arrived(api)) == [*GOOD_ORDERS, 102, 103]


def test_the_stream_of_a_file_may_be_named_on_the_command_line(api: LocalTrackApi, bucket: Bucket) -> None:
    """For files that neither their label nor their key assigns; all others are only filtered by it."""
    storage = bucket.config(path_format="{sync_id}/")
    fill(api, storage)
    (orders,) = (key for key in contents(bucket) if b"paid" in bucket.read(key))
    # Without its label.
    bucket.client.put_object(Bucket=bucket.name, Key=orders, Body=bucket.read(orders))
    unknown = run_command("replay", config(api, storage), CATALOG, "--stream", "invoices", "--dry-run")
    assert f"{orders}: left unchanged: neither its label nor its key says" in unknown.stdout
    tried = run_command("replay", config(api, storage), CATALOG, "--stream", "Größe", "--dry-run")
    assert (
        f"{orders}: its stream is unknown, so its rows are treated as rows of shop.Größe (--stream)."
        in tried.stdout
    )
    done = run_command("replay", config(api, storage), CATALOG, "--stream", "orders")
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(arrived(api)) == GOOD_ORDERS
    assert "6 rows accepted, 3 rejected again. Done." in done.stdout


def test_rows_that_somebody_broke_stay(api: LocalTrackApi, bucket: Bucket) -> None:
    """Their neighbours are replayed."""
    storage = bucket.config(format={"format_type": "JSONL"})
    fill(api, storage, LINES[:9])
    (key,) = bucket.keys()
    broken = bucket.read(key).replace(b'"_seq": 4', b'"_seq": four')
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=broken)
    done = run_command("replay", config(api, storage), CATALOG)
    assert sorted(arrived(api)) == [1, 2, 5, 7, 8]
    assert "3 rejected again, 1 can't be read (line " in done.stdout
    assert b'"_seq": four' in bucket.read(key)


def test_an_archived_file_is_named_and_left_alone(api: LocalTrackApi, bucket: Bucket) -> None:
    """Its neighbours are replayed."""
    fill(api, bucket.config())
    archived = next(key for key in bucket.keys() if b"paid" in bucket.read(key))  # noqa: SIM118

    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse = lambda request: (
            "InvalidObjectState" if request.method == "GET" and archived in request.path else None
        )
        done = run_command("replay", config(api, bucket.config(s3_endpoint=proxy.url)), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"{archived}: left unchanged: it was archived; restore it first." in done.stdout
    assert "5 rows accepted, 0 rejected again. Left unchanged: 1 file (see above). Done." in done.stdout


def test_failures_are_one_sentence_on_stderr(api: LocalTrackApi, bucket: Bucket) -> None:
    """Of the configuration, the catalog, the bucket and the server."""
    storage = bucket.config()
    good = config(api, storage)
    assert "No bucket is configured" in run_command("replay", config_for(api.url), CATALOG).failure()
    assert "not a configured Airbyte catalog" in run_command("replay", good, {"streams": 1}).failure()
    gone = bucket.config(s3_bucket_name="never-made")
    assert "there is no bucket never-made" in run_command("replay", config(api, gone), CATALOG).failure()
    deleting = catalog_of(stream("person_delete"))
    assert "allow_destructive_operations" in run_command("replay", good, deleting).failure()
    elsewhere = run_command("replay", good | {"region": "eu"}, CATALOG).failure()
    assert "The configuration sets the region" in elsewhere
    fill(api, storage, LINES[:9])
    objects = contents(bucket)
    refused: Ended = run_command(
        "replay", good | {"credentials": {"siteId": "site", "apiKey": "wrong"}}, CATALOG
    )
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Customer.io does not accept the Site ID" in refused.stderr
    assert contents(bucket) == objects
