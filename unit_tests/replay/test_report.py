"""What a replay says of itself in the end."""

from __future__ import annotations

from collections import Counter

from destination_customerio.replay.report import Outcome, closing_lines, file_words

OUTCOME = Outcome(
    accepted=Counter({"shop.users": 1_000, "orders": 0}),
    rejected=Counter(
        {
            ("orders", "required", "person_id"): 1,
            ("orders", "too_large", ""): 2,
            ("orders", "unreadable", ""): 3,
        }
    ),
    skipped_files=1,
)


def test_each_stream_and_reason_has_a_line_and_all_a_sum() -> None:
    """The most frequent reason first, and nothing of streams of which nothing was accepted."""
    assert list(closing_lines(OUTCOME, dry_run=False)) == [
        "Stream orders: 3 rows rejected again: unreadable.",
        "Stream orders: 2 rows rejected again: too_large.",
        "Stream orders: 1 row rejected again: required (person_id).",
        "Stream shop.users: 1,000 rows accepted.",
        "1,000 rows accepted, 6 rejected again. Left as they are, see above: 1 file. Done.",
    ]


def test_a_dry_run_does_not_claim_to_have_done_anything() -> None:
    """What Customer.io would say, nobody knows."""
    *lines, total = closing_lines(OUTCOME, dry_run=True)
    assert lines[-1] == "Stream shop.users: 1,000 rows would be sent."
    assert total.startswith(
        "1,000 rows would be sent, 6 would be rejected again. Left as they are, see above: 1 file. Dry run:"
    )
    assert total.endswith("not known before it is asked.")


def test_a_replay_that_was_stopped_says_what_to_do() -> None:
    """It is not done, and not lost."""
    (total,) = closing_lines(Outcome(stopped_by=15), dry_run=False)
    assert (
        total == "0 rows accepted, 0 rejected again. Stopped before the end; run the replay again to go on."
    )


def test_rows_that_can_not_be_read_are_told_apart() -> None:
    """They need a hand, not a replay."""
    assert file_words(3, 1) == "3 rejected again, 1 can't be read"
    assert file_words(3, 0, would=True) == "3 would be rejected again"
