"""Times of records are milliseconds, whatever unit the client sent."""

from __future__ import annotations

import pytest

from destination_customerio.airbyte.emitted_at import in_milliseconds, json_in_milliseconds


@pytest.mark.parametrize(
    ("given", "milliseconds"),
    [
        (b"1764000000000", b"1764000000000"),
        (b"1764000000", b"1764000000000"),
        (b"1764000000.25", b"1764000000250"),
        (b"1764000000.0", b"1764000000000"),
        (b"1.764e9", b"1764000000000"),
        (b"1764000000123456", b"1764000000123"),
        (b"1764000000123456789", b"1764000000123"),
        (b"0", b"0"),
        (b"99999999999", b"99999999999000"),
        (b"100000000000", b"100000000000"),
        (b"-1764000000", b"-1764000000000"),
        (b"1764000000123.9", b"1764000000123"),
    ],
)
def test_the_unit_is_recognized_by_size(given: bytes, milliseconds: bytes) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds, whole or with a fraction."""
    assert json_in_milliseconds(given) == milliseconds


@pytest.mark.parametrize(
    "given",
    [
        b"null",
        b'"2025-11-24"',
        b"{}",
        b"[1]",
        b"true",
        b"[" * 10_000 + b"]" * 10_000,
        b"7" * 5_000,
        b"1" * 30,
        b"NaN",
        b"-Infinity",
        b"1e400",
    ],
)
def test_what_is_no_moment_is_unchanged(given: bytes) -> None:
    """A dead letter keeps what the source sent."""
    assert json_in_milliseconds(given) == given


def test_a_number_that_is_no_moment_in_any_unit_is_unknown() -> None:
    """Neither are NaN and the infinities."""
    assert [in_milliseconds(number) for number in (1e20, float("nan"), float("inf"))] == [None] * 3
    assert in_milliseconds(1764000000.5) == 1764000000500
