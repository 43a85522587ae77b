"""The summary of rejected rows stays small, whatever their names, and shows no value."""

from __future__ import annotations

import pytest

from destination_customerio.dead_letters.reading.layout import DeadLetter
from destination_customerio.dead_letters.reading.rejected_file import RejectedFile
from destination_customerio.errors import Rejection
from destination_customerio.replay.summary import Summary


def a_row(field: str, reason: str = "required", data: bytes | None = b"{}", fault: str = "") -> DeadLetter:
    """A row that was rejected for one of its fields."""
    return DeadLetter(0, b"", "", 1_000, None, Rejection(reason, field, ""), data, fault)


def test_beyond_a_thousand_kinds_further_rows_are_counted_by_stream() -> None:
    """Sources may name columns by ids, without limit; the counts still add up."""
    summary = Summary()
    for number in range(1_500):
        summary.add("users", a_row(f"column {number}", data=b'{"column %d":1}' % number))
    assert len(summary.kinds) == 1_001
    assert summary.kinds["users", "other", ""].rows == 500
    assert summary.rows == sum(kind.rows for kind in summary.kinds.values()) == 1_500


def test_beyond_two_thousand_kinds_further_streams_are_counted_together() -> None:
    """Sources may name streams by ids too."""
    summary = Summary()
    for number in range(3_000):
        summary.add(f"stream {number}", a_row("email"))
    assert len(summary.kinds) == 2_001
    assert summary.kinds["(others)", "other", ""].rows == 1_000


def test_long_names_are_cut() -> None:
    """A name takes at most two hundred characters."""
    summary = Summary()
    summary.add("s" * 10_000, a_row("f" * 10_000, "r" * 10_000, b'{"%b":1}' % (b"f" * 10_000)))
    ((kind, _),) = summary.sorted_kinds()
    assert max(map(len, kind)) == 200


def test_at_most_a_thousand_skipped_files_are_named() -> None:
    """Further ones are counted."""
    summary = Summary()
    for number in range(1_200):
        summary.skip(
            RejectedFile(f"{number}.txt", "", "e", 0, "text/plain", {}), "it is not a file of rejected rows"
        )
    found = summary.to_json()
    assert (found["skipped_files"], len(found["skipped"])) == (1_200, 1_000)


def test_an_unreadable_row_has_its_place_as_the_example() -> None:
    """It has no value that could be masked, and the operator must find it in its file."""
    summary = Summary()
    summary.add("users", a_row("", "unreadable", None, "line 7: malformed"), "rejected/1.csv")
    assert [kind.example for kind in summary.kinds.values()] == ["rejected/1.csv, line 7: malformed"]


@pytest.mark.parametrize(
    ("data", "example"),
    [
        (b'{"email":null,"plan":"pro"}', "null"),
        (b'{"email":" "}', " "),
        (b'{"email":"a@b.c"}', "x@x.x"),
        (b'{"email":{"home":1}}', '{"xxxx":9}'),
        (b'{"plan":"pro"}', '{"xxxx":"xxx"}'),
        (b'{"email":' + b"[" * 5_000 + b"]" * 5_000 + b"}", '{"xxxxx":' + "[" * 30 + "…"),
    ],
)
def test_the_example_is_the_value_at_fault_masked(data: bytes, example: str) -> None:
    """A null is shown, as it is the reason itself; of a row without the column, the whole row is masked."""
    summary = Summary()
    summary.add("users", a_row("email", data=data))
    assert [kind.example for kind in summary.kinds.values()] == [example]


@pytest.mark.parametrize(
    ("field", "data", "shown"),
    [
        ("person_email", b"{}", "person_email"),
        ("tier", b'{"tier":"pro"}', "tier"),
        ("attributes.tier", b'{"tier":"pro"}', "attributes.…"),
        ("email_address", b"{}", "email_address"),
        ("Work mail", b"{}", "Work mail"),
        ("pro", b'{"tier":"pro"}', "…"),
        ("pro", b'{"tier":{"pro":1}}', "…"),
        ("a@b.c", b'{"a@b.c":1}', "…"),
        ("tier is pro", b'{"tier":"pro"}', "…"),
        ("tier", b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b',"tier":1}', "…"),
    ],
)
def test_a_field_is_shown_if_it_is_a_known_word_or_a_column(field: str, data: bytes, shown: str) -> None:
    """Of the row, or of the configuration's mappings; a server may have named anything else."""
    summary = Summary(mapped=frozenset({"Work mail"}))
    summary.add("users", a_row(field, data=data))
    assert list(summary.kinds) == [("users", "required", shown)]


def test_a_reason_that_is_no_known_word_is_not_shown() -> None:
    """A server may have named anything."""
    summary = Summary()
    summary.add("users", a_row("email", "pro", b'{"email":1}'))
    summary.add("users", a_row("email", "not_unique", b'{"email":1}'))
    assert list(summary.kinds) == [("users", "refused", "email"), ("users", "not_unique", "email")]
