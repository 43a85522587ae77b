"""The count of rejected rows stays small, whatever they are called."""

from __future__ import annotations

import pytest

from destination_customerio.dead_letters.reading.bucket import RejectedFile
from destination_customerio.dead_letters.reading.layout import RejectedRow
from destination_customerio.errors import Rejection
from destination_customerio.replay.summary import Summary


def a_row(field: str, reason: str = "required", data: bytes | None = b"{}") -> RejectedRow:
    """A row without a value for a field."""
    return RejectedRow(0, b"", "", 1_000, None, Rejection(reason, field, ""), data)


def test_beyond_a_thousand_kinds_the_rest_is_counted_by_stream() -> None:
    """Columns may be called by ids, without end; what is listed adds up."""
    summary = Summary()
    for number in range(1_500):
        summary.add("users", a_row(f"column {number}"))
    assert len(summary.kinds) == 1_001
    assert summary.kinds["users", "other", ""].rows == 500
    assert summary.rows == sum(kind.rows for kind in summary.kinds.values()) == 1_500


def test_so_many_streams_are_counted_together_in_the_end() -> None:
    """Streams may be called by ids too."""
    summary = Summary()
    for number in range(3_000):
        summary.add(f"stream {number}", a_row("email"))
    assert len(summary.kinds) == 2_001
    assert summary.kinds["(others)", "other", ""].rows == 1_000


def test_names_of_any_length_are_cut() -> None:
    """Nobody could read them."""
    summary = Summary()
    summary.add("s" * 10_000, a_row("f" * 10_000, "r" * 10_000))
    ((kind, _),) = summary.sorted_kinds()
    assert max(map(len, kind)) == 200


def test_of_very_many_files_that_are_left_out_the_first_are_named() -> None:
    """The others are counted."""
    summary = Summary()
    for number in range(1_200):
        summary.skip(
            RejectedFile(f"{number}.txt", "", "e", 0, "text/plain", {}), "it is not a file of rejected rows"
        )
    found = summary.to_json()
    assert (found["skipped_files"], len(found["skipped"])) == (1_200, 1_000)


def test_rows_that_can_not_be_read_have_no_example() -> None:
    """There is nothing that could be masked."""
    summary = Summary()
    summary.add("users", a_row("", "unreadable", None))
    assert [kind.example for kind in summary.kinds.values()] == [""]


@pytest.mark.parametrize(
    ("data", "example"),
    [
        (b'{"email":null,"plan":"pro"}', "null"),
        (b'{"email":" "}', " "),
        (b'{"email":"a@b.c"}', "x@x.x"),
        (b'{"email":{"home":1}}', '{"xxxx":9}'),
        (b'{"plan":"pro"}', '{"xxxx":"xxx"}'),
    ],
)
def test_the_example_is_the_value_at_fault_masked(data: bytes, example: str) -> None:
    """A null is shown, as it is the reason itself; a row without the column is shown as a whole."""
    summary = Summary()
    summary.add("users", a_row("email", data=data))
    assert [kind.example for kind in summary.kinds.values()] == [example]
