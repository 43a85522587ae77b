"""The labels of files: a stream's exact name, in the few characters that metadata allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.dead_letters.labels import Label, read_label

LABEL = Label("Größe/%2F", "shop", 42, 1_764_000_000_000, 7)
broken_text = st.text(st.characters(), max_size=30)


@given(stream=broken_text, namespace=broken_text, number=st.integers(0, 10**9))
def test_a_label_is_read_back(stream: str, namespace: str, number: int) -> None:
    """Any name, lone surrogates included, as printable ASCII."""
    label = Label(stream, namespace, 42, 1_764_000_000_000, number)
    metadata = label.to_metadata()
    assert read_label(metadata) == label
    assert all(value.isascii() and (value.isprintable() or not value) for value in metadata.values())


def test_a_stream_without_a_namespace_has_an_empty_one() -> None:
    """A label has no null."""
    assert Label.of(Stream("users", None, sync_id=42), 1, 2) == Label("users", "", 42, 1, 2)


def test_names_too_long_for_metadata_are_left_out() -> None:
    """A file is stored without a label rather than not at all."""
    assert Label("é" * 500, "", 1, 1, 1).to_metadata() == {}
    assert len("".join(Label("é" * 200, "", 1, 1, 1).to_metadata().values())) < 2_000


def test_an_incomplete_label_is_ignored() -> None:
    """Other programs put metadata on their objects too."""
    whole = LABEL.to_metadata()
    assert read_label({}) is None
    assert read_label({**whole, "sync-id": "many"}) is None
    assert all(
        read_label({key: whole[key] for key in whole if key != left_out}) is None for left_out in whole
    )
