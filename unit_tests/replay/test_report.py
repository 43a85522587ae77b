"""The lines that report a replay."""

from __future__ import annotations

from collections import Counter

from destination_customerio.dead_letters.kinds import Kind
from destination_customerio.replay.report import Outcome, closing_lines, file_words

OUTCOME = Outcome(
    accepted=Counter({"shop.users": 1_000, "orders": 0}),
    rejected={
        ("orders", "required", "person_id"): Kind(1),
        ("orders", "too_large", ""): Kind(2),
        ("orders", "unreadable", ""): Kind(3),
    },
    skipped_files=1,
)


def test_each_stream_and_reason_has_a_line_before_the_totals() -> None:
    """The most frequent reason comes first; a stream with no accepted row has no line of its own for that."""
    assert list(closing_lines(OUTCOME, dry_run=False)) == [
        "Stream orders: 3 rows rejected again: unreadable.",
        "Stream orders: 2 rows rejected again: too_large.",
        "Stream orders: 1 row rejected again: required (person_id).",
        "Stream shop.users: 1,000 rows accepted.",
        "1,000 rows accepted, 6 rejected again. Left unchanged: 1 file (see above). Done.",
    ]


def test_a_dry_run_says_that_nothing_was_sent() -> None:
    """And that Customer.io may still reject rows."""
    *lines, total = closing_lines(OUTCOME, dry_run=True)
    assert lines[-1] == "Stream shop.users: 1,000 rows would be sent."
    assert total.startswith(
        "1,000 rows would be sent, 6 would be rejected again. Left unchanged: 1 file (see above). Dry run: nothing was sent"
    )
    assert total.endswith("Customer.io itself may still reject some of these rows.")


def test_a_stopped_replay_says_how_to_resume() -> None:
    """It does not say that it is done."""
    (total,) = closing_lines(Outcome(stopped_by=15), dry_run=False)
    assert (
        total == "0 rows accepted, 0 rejected again. Stopped before the end. Run the replay again to resume."
    )


def test_unreadable_rows_are_counted_separately() -> None:
    """Another replay would not help them."""
    assert file_words(3, 1, "line 7: malformed") == "3 rejected again, 1 can't be read (line 7: malformed)"
    assert file_words(3, 2, "line 7: malformed") == (
        "3 rejected again, 2 can't be read (the first on line 7: malformed)"
    )
    assert file_words(3, 0, would=True) == "3 would be rejected again"
