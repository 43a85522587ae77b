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
from destination_customerio.dead_letters.reading.stream_of_file import Origins
from unit_tests.dead_letters.bucket_server import storage

START = datetime(2026, 11, 24, 10, 20, 30, 456_000, UTC)
UUID_OF_SYNC = UUID("6f2d6a3a-0b8f-4b39-9d59-2f3f6a1c9a11")
DEFAULT = "{sync_id}/{namespace}/{stream_name}/"
PATHS = [
    DEFAULT,
    "{namespace}/{stream_name}/{year}/{month}/{day}/{hour}{minute}{second}{millisecond}_{epoch}/",
    "rows of {stream_name}/{uuid}/",
    "{stream_name}_",
    "{stream_name}/{stream_name}/",
]
FILES = [
    "{date}_{timestamp}_{part_number}{format_extension}",
    "{date:yyyy_MM}-{sync_id}",
    "rows.csv",
    "{part_number}.part{format_extension}",
]
names = st.text(st.sampled_from("abÄ_-./ 1{}"), min_size=1, max_size=8)


def keys_of(stream: Stream, path_format: str, file_format: str) -> list[str]:
    """Keys of a stream's first files, as the writer gives them out."""
    config = storage("http://127.0.0.1:1", path_format=path_format, file_name_format=file_format)
    keys = DeadLetterKeys(config, START, UUID_OF_SYNC)
    return [keys.next_key(stream) for _ in range(3)]


def origins(path_format: str = DEFAULT, file_format: str = FILES[0]) -> Origins:
    """What finds streams under these formats."""
    return Origins(storage("http://127.0.0.1:1", path_format=path_format, file_name_format=file_format))


@pytest.mark.parametrize("path_format", PATHS)
@pytest.mark.parametrize("file_format", FILES)
@given(name=names, namespace=st.none() | names)
def test_a_stream_is_known_by_the_keys_of_its_files(
    path_format: str, file_format: str, name: str, namespace: str | None
) -> None:
    """Whatever it is called, and wherever the formats put it."""
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


def test_streams_that_are_spelled_alike_are_not_taken_for_each_other() -> None:
    """Only the label can tell them apart then."""
    streams = [Stream("a b"), Stream("a_b"), Stream("a_b", "shop")]
    (key, *_) = keys_of(streams[0], DEFAULT, FILES[0])
    assert origins().stream_of(key, None, streams) is None
    assert origins().stream_of(key, None, streams[1:]) is streams[1]
    assert origins().stream_of(key, Label("a b", "", 0, 0, 0), streams) is streams[0]


def test_a_layout_without_streams_does_not_tell() -> None:
    """Nor do keys of another layout, nor a label of a stream that the catalog lacks."""
    (key, *_) = keys_of(Stream("users"), "{sync_id}/", FILES[0])
    assert origins("{sync_id}/").of(key, None) is None
    assert origins("{sync_id}/").stream_of(key, None, [Stream("users")]) is None
    assert origins().of("rejected/notes.txt", None) is None
    assert origins().stream_of(key, Label("users", "shop", 0, 0, 0), [Stream("users")]) is None


def test_a_label_is_believed_first() -> None:
    """It has the exact name."""
    origin = origins().of("rejected/anything", Label("Größe", "shop", 0, 0, 0))
    assert str(origin) == "shop.Größe"
    assert origin is not None
    assert origin.is_called("Größe")
    assert origin.is_called("shop.Größe")
    assert not origin.is_called("Gro_e")


def test_no_file_of_a_sync_lies_among_the_replayed() -> None:
    """Not even that of a stream of that name."""
    keys = keys_of(Stream(REPLAYED), "{stream_name}/", FILES[0])
    assert not any(key.startswith(f"rejected/{REPLAYED}/") for key in keys)
