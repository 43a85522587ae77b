"""The stream of a file, by its label or by its key."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters.keys import REPLAYED, DeadLetterKeys
from destination_customerio.dead_letters.labels import Label
from destination_customerio.dead_letters.reading.stream_of_file import Origins, stream_named
from unit_tests.dead_letters.bucket_server import storage

START = datetime(2026, 11, 24, 10, 20, 30, 456_000, UTC)
UUID_OF_SYNC = UUID("6f2d6a3a-0b8f-4b39-9d59-2f3f6a1c9a11")
DEFAULT = "{sync_id}/{namespace}/{stream_name}/"
PATHS = [
    DEFAULT,
    "{namespace}/{stream_name}/{year}/{month}/{day}/{hour}{minute}{second}{millisecond}_{epoch}/",
    "rejected rows/{stream_name}/{uuid}/",
    "{stream_name}/{stream_name}/",
    "{sync_id}/${STREAM_NAME}",
]
# Formats that do not have the name of the stream as a level of its own.
OTHER_PATHS = ["{sync_id}/", "{stream_name}_", "rows of {stream_name}/{uuid}/"]
FILES = [
    "{date}_{timestamp}_{part_number}{format_extension}",
    "{date:yyyy_MM}-{sync_id}",
    "{date:yyyy/MM}/{part_number}",
    "rows.csv",
    "{part_number}.part{format_extension}",
]
names = st.text(st.sampled_from("abÄ_-./ 1{}"), min_size=1, max_size=8)


def keys_of(stream: Stream, path_format: str, file_format: str) -> list[str]:
    """Keys of a stream's first files, as the writer makes them."""
    config = storage("http://127.0.0.1:1", path_format=path_format, file_name_format=file_format)
    keys = DeadLetterKeys(config, START, UUID_OF_SYNC)
    return [keys.next_key(stream) for _ in range(3)]


def origins(path_format: str = DEFAULT, file_format: str = FILES[0]) -> Origins:
    """Finds streams under these formats."""
    return Origins(storage("http://127.0.0.1:1", path_format=path_format, file_name_format=file_format))


@pytest.mark.parametrize("path_format", PATHS)
@pytest.mark.parametrize("file_format", FILES)
@given(name=names, namespace=st.none() | names)
def test_a_stream_is_known_by_the_keys_of_its_files(
    path_format: str, file_format: str, name: str, namespace: str | None
) -> None:
    """Whatever its name is, and whichever level of the format it is."""
    stream = Stream(name, namespace, sync_id=42)
    found = origins(path_format, file_format)
    for key in keys_of(stream, path_format, file_format):
        assert found.stream_of(key, None, [stream]) is stream


@pytest.mark.parametrize("path_format", PATHS[:3])
def test_an_ordinary_stream_is_named_without_a_catalog(path_format: str) -> None:
    """As its key spells it."""
    (key, *_) = keys_of(Stream("Größe", "shop", sync_id=42), path_format, FILES[0])
    origin = origins(path_format).of(key, None)
    assert origin is not None
    assert origin.name == "Gro_e"
    assert origin.namespace == ("shop" if "{namespace}" in path_format else "")
    assert origin.is_called("Größe")
    (bare, *_) = keys_of(Stream("orders", sync_id=42), DEFAULT, FILES[0])
    assert str(origins().of(bare, None)) == "orders"


def test_streams_that_are_spelled_alike_in_keys_are_ambiguous() -> None:
    """Only the label distinguishes them."""
    streams = [Stream("a b"), Stream("a_b"), Stream("a_b", "shop")]
    (key, *_) = keys_of(streams[0], DEFAULT, FILES[0])
    assert origins().stream_of(key, None, streams) is None
    assert origins().stream_of(key, None, streams[1:]) is streams[1]
    assert origins().stream_of(key, Label("a b", "", 0, 0, 0), streams) is streams[0]


@pytest.mark.parametrize("path_format", OTHER_PATHS)
def test_other_formats_do_not_say_the_stream(path_format: str) -> None:
    """A name that is only a part of a level, or not in the key at all."""
    users, orders = Stream("users", sync_id=42), Stream("orders", sync_id=42)
    found = origins(path_format)
    for key in keys_of(users, path_format, FILES[0]):
        assert found.of(key, None) is None
        assert found.stream_of(key, None, [users]) is None
        assert found.stream_of(key, None, [users, orders], named=users) is users


@pytest.mark.parametrize("key", ["rejected/notes.txt", "rejected/1/2/3/4/5/notes.txt", "rejected/users"])
def test_keys_of_another_layout_do_not_say_the_stream(key: str) -> None:
    """The operator does."""
    users = Stream("users")
    assert origins().of(key, None) is None
    assert origins().stream_of(key, None, [users]) is None
    assert origins().stream_of(key, None, [users], named=users) is users


def test_the_operator_does_not_overrule_a_label_or_a_key() -> None:
    """Not even for streams that the catalog lacks."""
    users, orders = Stream("users", sync_id=42), Stream("orders", sync_id=42)
    (key, *_) = keys_of(orders, DEFAULT, FILES[0])
    label = Label.of(orders, 1, 0)
    assert origins().stream_of(key, None, [users, orders], named=users) is orders
    assert origins().stream_of(key, None, [users], named=users) is None
    assert origins().stream_of("rejected/any.csv", label, [users, orders], named=users) is orders
    assert origins().stream_of("rejected/any.csv", label, [users], named=users) is None


def test_of_streams_that_are_spelled_alike_the_operator_chooses_one() -> None:
    """And of no others."""
    first, second, other = Stream("Größe"), Stream("Große"), Stream("users")
    (key, *_) = keys_of(first, DEFAULT, FILES[0])
    streams = [first, second, other]
    assert origins().stream_of(key, None, streams) is None
    assert origins().stream_of(key, None, streams, named=second) is second
    assert origins().stream_of(key, None, streams, named=other) is None


@pytest.mark.parametrize(
    ("wanted", "place"),
    [(None, None), ("orders", 0), ("shop.users", 1), ("users", None), ("shop", None), ("Users", None)],
)
def test_an_operator_names_one_stream_or_none(wanted: str | None, place: int | None) -> None:
    """With its namespace or without, as long as only one is meant."""
    streams = [Stream("orders"), Stream("users", "shop"), Stream("users", "crm")]
    assert stream_named(wanted, streams) is (None if place is None else streams[place])


def test_a_stream_that_the_catalog_lacks_is_not_found() -> None:
    """Whatever its label says."""
    (key, *_) = keys_of(Stream("users"), DEFAULT, FILES[0])
    assert origins().stream_of(key, Label("users", "shop", 0, 0, 0), [Stream("users")]) is None


def test_a_label_counts_before_the_key() -> None:
    """It has the exact name."""
    origin = origins().of("rejected/anything", Label("Größe", "shop", 0, 0, 0))
    assert str(origin) == "shop.Größe"
    assert origin is not None
    assert origin.is_called("Größe")
    assert origin.is_called("shop.Größe")
    assert not origin.is_called("Gro_e")


def test_no_file_of_a_sync_is_among_the_replayed() -> None:
    """Not even that of a stream with that name."""
    keys = keys_of(Stream(REPLAYED), "{stream_name}/", FILES[0])
    assert not any(key.startswith(f"rejected/{REPLAYED}/") for key in keys)
