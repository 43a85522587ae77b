"""The log lines of a sync: counts, names, reasons."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.loader import parse_config
from destination_customerio.config.storage import S3Storage
from destination_customerio.errors import Rejection
from destination_customerio.mapping.airbyte_columns import DELETED
from destination_customerio.mapping.columns import AssemblySettings
from destination_customerio.mapping.event_ids import FreshIds
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.notices import (
    IgnoredColumns,
    MailAttributes,
    RefusedAttributes,
    UnclearBooleans,
    UnreadableTimes,
)
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.sync.log_lines import (
    Line,
    RequestCounts,
    StateCounts,
    notice_line,
    pace_words,
    progress_line,
    skipped_line,
    start_lines,
    stored_lines,
    summary_lines,
    unkept_lines,
)
from destination_customerio.sync.reporter import LogReporter
from destination_customerio.sync.stream_sync import StreamSync
from destination_customerio.wording import counted

SETTINGS = AssemblySettings(
    identifier_kind=IDENTIFIER_KINDS["email"],
    event_id_strategy="none",
    convert_timestamps=False,
    fresh_id=FreshIds(),
)
STORAGE = {"storage_type": "S3", "s3_bucket_name": "b", "s3_bucket_region": "r", "bucket_path": "p"}


def stream_of(name: str, object_name: str = "person_identify", namespace: str | None = None) -> StreamSync:
    """A stream of a running sync."""
    return StreamSync(Stream(name, namespace), DESTINATION_OBJECTS[object_name], SETTINGS)


def busy_stream() -> StreamSync:
    """A stream with 1,500 rows read: 1,200 delivered, 3 rejected, the others waiting."""
    sync = stream_of("users", namespace="shop")
    sync.counts.read, sync.counts.delivered = 1_500, 1_200
    for rejection in (
        Rejection("invalid", "timestamp", "c4nary"),
        Rejection("invalid", "timestamp", "c4nary"),
        Rejection("too_large", "", "c4nary"),
    ):
        sync.count_rejected(rejection)
    return sync


def test_the_start_lines_say_what_is_written_where() -> None:
    """They name the host, the concurrency, the identifier, the bucket, and the object of each stream."""
    config = parse_config(
        {"credentials": {"siteId": "s1te", "apiKey": "k3y"}, "max_concurrent_requests": 4}, {}
    )
    first, *streams = start_lines(config, "https://track-eu.customer.io", [busy_stream()])
    assert "https://track-eu.customer.io with up to 4 concurrent requests" in first
    assert "identifying people by email" in first
    assert "are only counted" in first
    assert streams == ["Stream shop.users goes to person_identify."]
    config = parse_config(
        {"credentials": {"siteId": "s1te", "apiKey": "k3y"}, "object_storage_config": STORAGE}, {}
    )
    assert "Rejected rows are stored in s3://b/p." in next(start_lines(config, "x", []))


def test_the_progress_line_has_rows_rate_requests_rejections_and_retries() -> None:
    """The rate is that since the previous progress line."""
    requests = RequestCounts(requests=7, retries=Counter({"HTTP 503": 2}))
    assert progress_line([busy_stream(), stream_of("b")], requests, seconds=30.0, rows_before=900) == (
        "1,500 rows read (20 rows/s), 1,200 delivered in 7 requests, 3 rejected [invalid (timestamp): 2, too_large: 1], "
        "2 retries [HTTP 503: 2], 297 rows waiting."
    )


def test_the_pace_has_rates_and_how_far_the_sources_states_are_acknowledged() -> None:
    """Sources that don't count their rows are not mentioned."""
    pace = " Lately 2.0 requests/s and 0.75 MB/s."
    assert pace_words(60, 22_500_000, 30.0, StateCounts()) == pace
    assert pace_words(60, 22_500_000, 30.0, StateCounts(1_200, 1_500)) == (
        f"{pace} Of the 1,500 rows that the source counted in its states so far, 1,200 are acknowledged."
    )


def test_a_progress_line_with_new_rejected_rows_is_a_warning() -> None:
    """Somebody who looks for warnings finds when rows began to be rejected."""
    written: list[tuple[str, str]] = []

    class Log:
        """Keeps lines with their levels."""

        def info(self, text: str) -> None:
            """Keep a line."""
            written.append(("INFO", text))

        def warn(self, text: str) -> None:
            """Keep a line."""
            written.append(("WARN", text))

    sync = busy_stream()
    reporter = LogReporter([sync], Log(), now=0.0)
    reporter.on_requests(15)
    reporter.on_delivered_bytes(3_000_000)
    reporter.on_source_count(1_500)
    reporter.on_acknowledged(1_000)
    reporter.report(30.0)
    reporter.on_requests(30)
    reporter.report(60.0)
    reporter.report(90.0)
    assert [level for level, _ in written] == ["WARN", "INFO", "INFO"]
    assert "Lately 0.5 requests/s and 0.10 MB/s. Of the 1,500 rows" in written[0][1]
    assert "1,000 are acknowledged." in written[1][1]
    assert "Lately 1.0 requests/s and 0.00 MB/s." in written[1][1]
    assert "Lately" not in written[2][1]


def test_the_progress_line_says_that_a_sync_is_throttled_on_purpose() -> None:
    """Otherwise a slow sync looks like a fault."""
    line = progress_line([stream_of("a")], RequestCounts(), 30.0, 0, max_rows_per_second=1_500)
    assert line.endswith(
        "0 rows waiting. Throttled on purpose: at most 1,500 rows per second are sent, as configured in max_rows_per_second."
    )


def test_the_summary_has_a_line_for_each_stream_and_one_for_the_requests() -> None:
    """Unsettled rows are mentioned only if there are any."""
    done = stream_of("done")
    done.counts.read = done.counts.delivered = 2
    assert list(summary_lines([busy_stream(), done], RequestCounts(requests=3))) == [
        Line(
            "Stream shop.users: 1,500 rows read, 1,200 delivered, 3 rejected [invalid (timestamp): 2, too_large: 1], "
            "297 not settled.",
            is_warning=True,
        ),
        Line("Stream done: 2 rows read, 2 delivered, 0 rejected."),
        Line("3 requests to Customer.io, 0 retries."),
    ]


@pytest.mark.parametrize(
    ("word", "verb"), [("delivered", "was delivered"), ("would be sent", "would be sent")]
)
def test_a_stream_without_any_delivered_row_has_a_line_of_its_own(word: str, verb: str) -> None:
    """Whether its rows were rejected or are not settled; an empty stream is no news."""
    empty, rejected, unsettled, fine = (
        stream_of(name) for name in ("empty", "rejected", "unsettled", "fine")
    )
    rejected.counts.read = 1
    rejected.count_rejected(Rejection("invalid", "timestamp", "c4nary"))
    unsettled.counts.read = 2_000
    fine.counts.read = fine.counts.delivered = 1
    lines = summary_lines([empty, rejected, unsettled, fine], RequestCounts(), word)
    assert [line for line in lines if line.text.startswith("No row")] == [
        Line(f"No row of stream rejected {verb}, although 1 row was read.", is_warning=True),
        Line(f"No row of stream unsettled {verb}, although 2,000 rows were read.", is_warning=True),
    ]


def test_rejected_rows_that_are_stored_nowhere_have_a_warning() -> None:
    """It says how to keep them; with a bucket, or without such rows, there is none."""
    raw = {"credentials": {"siteId": "s1te", "apiKey": "k3y"}}
    without, with_bucket = parse_config(raw, {}), parse_config({**raw, "object_storage_config": STORAGE}, {})
    (line,) = unkept_lines(without, [busy_stream(), stream_of("b")])
    assert line.is_warning
    assert line.text.startswith("3 rejected rows are stored nowhere, as no bucket is configured.")
    assert "(object_storage_config)" in line.text
    one = stream_of("one")
    one.count_rejected(Rejection("invalid", "", ""))
    (line,) = unkept_lines(without, [one])
    assert line.text.startswith("1 rejected row is stored nowhere")
    assert list(unkept_lines(without, [stream_of("b")])) == []
    assert list(unkept_lines(with_bucket, [busy_stream()])) == []


def test_the_summary_says_what_the_bucket_has_stored() -> None:
    """And how to look at it; nothing if nothing was."""
    storage = S3Storage.model_validate(
        {"storage_type": "S3", "s3_bucket_name": "b", "s3_bucket_region": "us-east-1", "bucket_path": "p"}
    )
    (line,) = stored_lines(storage, 1_200, 1)
    assert line.text.startswith("1,200 rejected rows stored in 1 file under s3://b/p. ")
    assert list(stored_lines(storage, 0, 0)) == []


@pytest.mark.parametrize("object_name", ["person_event", "person_page", "person_screen"])
def test_a_stream_of_events_has_a_line_about_their_ages(object_name: str) -> None:
    """None if it has no events, as for other objects."""
    sync = StreamSync(Stream("e"), DESTINATION_OBJECTS[object_name], SETTINGS, started_at=1_764_000_000.5)
    assert len(list(summary_lines([sync], RequestCounts()))) == 1
    row = {"person_email": "ada@example.com", "event_name": "e", "name": "n"}
    for timestamp in (None, 1_764_000_000, 1_600_000_000, 1_764_000_001):
        sync.assembler.assemble({**row, "timestamp": timestamp}, b"{}")
    with pytest.raises(Rejection):
        sync.assembler.assemble({**row, "timestamp": "tomorrow"}, b"{}")
    assert list(summary_lines([sync], RequestCounts()))[1] == Line(
        "Stream e: of 4 events, 2 at most 72 hours old, which may trigger campaigns; 1 older, which won't; "
        "1 in the future (when the sync started)."
    )


@pytest.mark.parametrize("object_name", DESTINATION_OBJECTS)
def test_only_events_have_ages(object_name: str) -> None:
    """An update of a person or a device triggers by other rules."""
    target = DESTINATION_OBJECTS[object_name]
    assert (
        StreamSync(Stream("s"), target, SETTINGS, started_at=1.0).event_ages is not None
    ) == target.is_event
    assert StreamSync(Stream("s"), target, SETTINGS).event_ages is None


def test_a_thousand_streams_are_summed_up() -> None:
    """Nobody reads a thousand lines."""
    lines = list(summary_lines([stream_of(str(number)) for number in range(1_000)], RequestCounts()))
    assert len(lines) == 101
    assert lines[100] == Line("900 more streams not listed.")


def test_of_a_thousand_streams_those_with_rejected_rows_are_listed() -> None:
    """A warning that is not listed would warn nobody."""
    streams = [stream_of(str(number)) for number in range(999)] + [busy_stream()]
    first, second, *_ = summary_lines(streams, RequestCounts())
    assert first.is_warning
    assert first.text.startswith("Stream shop.users: ")
    assert second.text.startswith("Stream 0: ")


def test_a_notice_names_the_stream_and_the_columns() -> None:
    """There are notices of attributes that redirect emails, and of columns that an object ignores."""
    events, deletions = stream_of("e", "person_event"), stream_of("d", "person_delete")
    mails = notice_line(events, MailAttributes(("recipient", "reply_to")))
    assert mails.startswith("Stream e sends events with recipient, reply_to. Customer.io uses")
    assert notice_line(deletions, IgnoredColumns(("why",), is_last=False)) == (
        "person_delete ignores 1 column of stream d: why."
    )
    assert notice_line(deletions, IgnoredColumns(("a", "b"), is_last=True)) == (
        "person_delete ignores 2 columns of stream d: a, b. Further columns may be ignored; they are not listed."
    )


def test_a_notice_of_unreadable_times_counts_them_by_column() -> None:
    """And never shows a value."""
    notice = UnreadableTimes(Counter(created_at=1_200, day=1))
    assert notice_line(stream_of("users"), notice) == (
        "Stream users: 1,201 values of date columns could not be read as a time, and kept the form that they have in the "
        "row [created_at: 1,200, day: 1]. Customer.io can't compare them with dates."
    )


def test_rejections_of_unlimited_column_names_are_grouped() -> None:
    """The memory for the counts is bounded, and every row is still counted."""
    sync = stream_of("users")
    for number in range(1_000):
        sync.count_rejected(Rejection("too_large", f"column {number}", ""))
        sync.count_rejected(Rejection("too_large", "x" * (100_000 + number), ""))
        sync.count_refused(Rejection("invalid", "timestamp", ""))
    assert sync.counts.rejected.total() == 3_000
    assert sync.counts.rejected["invalid", "timestamp"] == 1_000
    assert sync.counts.rejected["too_large", "…"] == 1_000
    assert sync.counts.rejected["other", ""] == 1_000 - 198
    assert len(sync.counts.rejected) == 201


def test_columns_outside_the_schema_are_not_named() -> None:
    """A row made of a map has keys like values; neither counts nor notices show them."""
    stream = Stream("users", properties={"tier": {}, "ada@example.com": {}})
    sync = StreamSync(stream, DESTINATION_OBJECTS["person_delete"], SETTINGS)
    for column in ("tier", "timestamp", "c4nary", "ada@example.com"):
        sync.count_rejected(Rejection("too_large", column, ""))
        sync.count_refused(Rejection("c4nary", f"attributes.{column}", "c4nary"))
    assert sync.counts.rejected == Counter(
        {
            ("too_large", "tier"): 1,
            ("too_large", "timestamp"): 1,
            ("too_large", "…"): 2,
            ("refused", "attributes.tier"): 1,
            ("refused", "attributes.timestamp"): 1,
            ("refused", "attributes.…"): 2,
        }
    )
    names = ("c4nary", "nary4c", "tier")
    for notice in (
        IgnoredColumns(names, is_last=False),
        UnclearBooleans(names, is_last=False),
        UnreadableTimes(Counter(names)),
    ):
        line = notice_line(sync, notice)
        assert "tier" in line
        assert "4" not in line


def test_listed_reasons_add_up_to_the_total() -> None:
    """Reasons beyond the limit are counted together."""
    retries = Counter({f"HTTP {status}": 1 for status in range(500, 530)})
    line = list(summary_lines([], RequestCounts(retries=retries)))[-1].text
    assert line.startswith("0 requests to Customer.io, 30 retries [")
    assert sum(int(count) for count in re.findall(r": (\d+)", line)) == 30
    assert "others: 10" in line


def test_counts_agree_with_their_nouns() -> None:
    """Thousands are separated by commas."""
    assert [counted(number, "row") for number in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]


def test_skipped_rows_are_counted_by_reason() -> None:
    """In the progress and in the summary; they are not waiting."""
    sync = stream_of("users")
    sync.counts.read, sync.counts.delivered = 5, 2
    sync.counts.skipped[DELETED] = 3
    words = "3 skipped [deleted in the source: 3]"
    assert f"0 rejected, {words}, 0 retries, 0 rows waiting." in progress_line(
        [sync], RequestCounts(), 1.0, 0
    )
    (line,) = summary_lines([sync], RequestCounts())
    assert line.text == f"Stream users: 5 rows read, 2 delivered, 0 rejected, {words}."
    assert (
        skipped_line(sync, sync.counts.skipped) == f"Stream users: {words}. Skipped rows count as accepted."
    )


@pytest.mark.parametrize("is_last", [False, True])
def test_notices_about_acting_and_refused_attributes_name_the_stream(is_last: bool) -> None:
    """And the columns."""
    sync = stream_of("users")
    line = notice_line(sync, UnclearBooleans(("_update", "unsubscribed"), is_last=is_last))
    assert line.startswith(
        "Stream users has values in _update, unsubscribed that are neither true nor false."
    )
    assert line.endswith("they are not listed.") == is_last
    line = notice_line(stream_of("devices", "person_device"), RefusedAttributes(("token",)))
    assert line.startswith(
        "Customer.io refuses devices with an attribute token, so person_device leaves it out"
    )
