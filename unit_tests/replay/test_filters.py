"""Selecting rejected rows by sync, stream and time."""

from __future__ import annotations

import pytest

from destination_customerio.dead_letters.kinds import written_time
from destination_customerio.dead_letters.labels import Label
from destination_customerio.dead_letters.reading.layout import DeadLetter
from destination_customerio.dead_letters.reading.rejected_file import RejectedFile
from destination_customerio.dead_letters.reading.stream_of_file import Origin
from destination_customerio.errors import Rejection
from destination_customerio.replay.filters import Filters, Found, parse_since

ORIGIN = Origin("shop", "users", is_exact=True)


def a_file(label: Label | None = None, stored_at: int = 5_000) -> RejectedFile:
    """A file with or without a label."""
    metadata = label.to_metadata() if label else {}
    return RejectedFile("rejected/42/users/1.csv", "42/users/1.csv", "e", stored_at, "text/csv", metadata)


def a_row(extracted_at: int | None = 4_000, sync_id: int | None = 42) -> DeadLetter:
    """A row."""
    return DeadLetter(0, b"", "", extracted_at, sync_id, Rejection("invalid", "", ""), b"{}")


def test_without_filters_every_row_matches() -> None:
    """Rows of an unknown stream included."""
    assert Filters().may_hold(a_file(), None)
    assert Filters().take(a_row(None, None), a_file())


def test_a_stream_is_selected_by_its_name() -> None:
    """With its namespace or without; a file of an unknown stream never matches."""
    assert all(Filters(stream=name).may_hold(a_file(), ORIGIN) for name in ("users", "shop.users"))
    assert not Filters(stream="shop").may_hold(a_file(), ORIGIN)
    assert not Filters(stream="users").may_hold(a_file(), None)


def test_files_labelled_with_another_sync_are_not_opened() -> None:
    """In a file without a label, the rows decide."""
    wanted = Filters(sync_id=42)
    assert wanted.may_hold(a_file(), ORIGIN)
    assert wanted.may_hold(a_file(Label("users", "shop", 42, 1, 0)), ORIGIN)
    assert not wanted.may_hold(a_file(Label("users", "shop", 43, 1, 0)), ORIGIN)
    assert [wanted.take(a_row(sync_id=number), a_file()) for number in (42, 43, None)] == [True, False, False]


def test_a_row_without_a_sync_has_the_sync_of_its_file() -> None:
    """Such as a row that can't be read."""
    labelled = a_file(Label("users", "shop", 42, 1, 0))
    assert Filters(sync_id=42).take(a_row(sync_id=None), labelled)
    assert not Filters(sync_id=42).take(a_row(sync_id=43), labelled)
    assert not Filters(sync_id=43).take(a_row(sync_id=None), labelled)


def test_a_row_without_a_time_has_the_time_of_its_file() -> None:
    """The time of the filter itself is included."""
    assert Filters(since=4_000).take(a_row(4_000), a_file())
    assert not Filters(since=4_001).take(a_row(4_000), a_file())
    assert Filters(since=5_000).take(a_row(None), a_file())
    assert not Filters(since=5_001).take(a_row(None), a_file())


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-02", 86_400_000),
        ("1970-01-01T00:00:01.5", 1_500),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:01Z", 1_000),
    ],
)
def test_a_time_is_utc_unless_it_names_a_zone(text: str, milliseconds: int) -> None:
    """A date is its midnight."""
    assert parse_since(text) == milliseconds


def test_an_impossible_time_is_written_as_unknown() -> None:
    """Rows may hold any number."""
    assert [written_time(value) for value in (None, 10**30, 1_764_000_000_999)] == [
        "",
        "",
        "2025-11-24T16:00:00Z",
    ]


def test_files_are_sorted_in_the_order_in_which_they_were_written() -> None:
    """By their labels; without labels, by time and then by the numbers in their keys."""
    second, first = (a_file(Label("a", "", 1, started, number)) for started, number in ((9, 0), (8, 11)))
    assert sorted([second, first], key=lambda file: file.order) == [first, second]
    tenth, ninth = (
        RejectedFile(f"x/{number}.csv", f"{number}.csv", "e", 1, "text/csv", {}) for number in (10, 9)
    )
    assert sorted([tenth, ninth], key=lambda file: file.order) == [ninth, tenth]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (Filters(stream="user"), "matches --stream user. The files in the bucket are of streams: "),
        (Filters(sync_id=7), "matches --sync-id 7. The files in the bucket are of streams: "),
        (
            Filters(7, "user", 0),
            (
                "matches --sync-id 7 --stream user --since 1970-01-01T00:00:00Z. The files in the bucket stored since "
                "1970-01-01T00:00:00Z are of streams: "
            ),
        ),
    ],
)
def test_filters_that_match_nothing_are_answered_with_what_there_is(filters: Filters, words: str) -> None:
    """A typing error in a name would otherwise look like an empty bucket."""
    found = Found()
    found.add(a_file(Label("users", "shop", 42, 1, 0)), ORIGIN)
    found.add(a_file(Label("orders", "", 41, 1, 0)), Origin("", "orders", is_exact=True))
    assert found.instead_of(filters) == f"No rejected row {words}orders, shop.users; syncs: 41, 42."


def test_without_filters_there_is_nothing_to_explain() -> None:
    """No rejected rows are good news."""
    assert Found().instead_of(Filters()) == ""


def test_filters_on_an_empty_bucket() -> None:
    """The bucket path may be wrong."""
    words = Found().instead_of(Filters(stream="users"))
    assert words == "No rejected row matches --stream users: the bucket path has no files."


def test_files_of_unknown_streams_are_named_as_such() -> None:
    """Neither label nor key says what they are."""
    found = Found()
    found.add(a_file(), None)
    assert found.instead_of(Filters(stream="users")).endswith("are of unknown streams and syncs.")


def test_any_number_of_streams_makes_one_short_sentence() -> None:
    """Sources may name streams by ids."""
    found = Found()
    for number in range(3_000):
        found.add(a_file(), Origin("", f"{number:04}" + "x" * 10_000, is_exact=True))
    words = found.instead_of(Filters(stream="users"))
    assert len(words) < 5_000
    assert " and 980 more." in words
