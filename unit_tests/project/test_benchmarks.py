"""The benchmarks' inputs and statistics are correct, and every measurement runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.checkpoints import state_delays
from benchmarks.inputs import Rows, command, lines
from benchmarks.long_lines import CONTENTS, write_line
from benchmarks.measure import BenchmarkError, Run, Spread, interleaved, ratios, run, run_behind
from benchmarks.real_rows import least_writer
from benchmarks.report import Goal, Plot, Results, Section, goals_table, page, with_goals, with_tables
from benchmarks.servers import track_api
from benchmarks.syncs import Bench

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"


def messages(wanted: Rows) -> list[dict[str, Any]]:
    """The lines, parsed."""
    return [json.loads(line) for line in lines(wanted)]


def records(wanted: Rows) -> list[dict[str, Any]]:
    """The records among the lines."""
    return [message["record"] for message in messages(wanted) if message["type"] == "RECORD"]


@pytest.mark.parametrize(
    ("kind", "about_bytes"),
    [
        ("people", 400),
        ("events", 600),
        ("large", 30_000),
        ("real_people", 760),
        ("real_events", 830),
    ],
)
def test_lines_have_about_the_documented_size(kind: str, about_bytes: int) -> None:
    """Figures per row depend on the row's size, which the results state."""
    sizes = [len(line) for line in lines(Rows(kind, 500)) if b'"RECORD"' in line]
    assert len(sizes) == 500
    assert abs(sum(sizes) / len(sizes) - about_bytes) < about_bytes * 0.05


def test_inputs_are_reproducible() -> None:
    """Every process generates the same rows, so that every run measures the same work."""
    wanted = Rows("events", 300, streams=3)
    made = subprocess.run(command(wanted, Rows("people", 5)), capture_output=True, check=True).stdout  # noqa: S603 - our own
    assert made == b"".join([*lines(wanted), *lines(Rows("people", 5))])


def test_states_follow_every_n_rows_and_the_end_of_each_stream() -> None:
    """A state's cursor is the number of the row before it, from which delays are computed."""
    found = messages(Rows("events", 25, state_every=10, streams=2))
    cursors = [
        (number, message["state"]["stream"]["stream_state"]["cursor"])
        for number, message in enumerate(found)
        if message["type"] == "STATE"
    ]
    assert cursors == [(10, 9), (21, 19), (27, 24), (28, 24)]
    assert {message["state"]["stream"]["stream_descriptor"]["name"] for message in found[-2:]} == {
        "events_0",
        "events_1",
    }


@pytest.mark.parametrize(("every", "expected"), [(0, 0), (1, 105), (10, 11), (100, 2)])
def test_every_nth_row_has_no_person(every: int, expected: int) -> None:
    """The expected number of rejected rows matches the lines."""
    wanted = Rows("people", 105, reject_every=every)
    without = [record for record in records(wanted) if record["data"]["person_email"] is None]
    assert (len(without), wanted.rejected) == (expected, expected)


def test_half_of_the_rows_can_belong_to_one_person() -> None:
    """The other half is spread over many people."""
    emails = [record["data"]["person_email"] for record in records(Rows("events", 1_000, hot_every=2))]
    assert emails.count("busy@example.com") == 500
    assert len(set(emails)) > 450


def test_rows_are_distributed_over_the_streams_round_robin() -> None:
    """The streams are those in the catalog."""
    wanted = Rows("people", 10, streams=3)
    assert [record["stream"] for record in records(wanted)[:4]] == [*wanted.stream_names, "people_0"]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("integer_times", {"timestamp", "created_at", "paid_at"}),
        ("long_digits", {"reference"}),
        ("long_decimals", {"exchange_rate"}),
    ],
)
def test_compared_kinds_differ_in_their_columns_only(kind: str, columns: set[str]) -> None:
    """So the difference in time is that of these columns."""
    pairs = zip(records(Rows("real_events", 50)), records(Rows(kind, 50)), strict=True)
    for real, other in pairs:
        differing = {name for name, value in real["data"].items() if other["data"][name] != value}
        assert differing == columns


@pytest.mark.parametrize("count", [30, 300])
def test_wide_rows_have_as_many_columns_as_they_say(count: int) -> None:
    """The person and the row's number included."""
    assert {len(record["data"]) for record in records(Rows(f"{count}_columns", 20))} == {count}


def test_the_least_writer_sends_every_row(tmp_path: Path) -> None:
    """It is no yardstick if it sends less than the connector."""
    part = Rows("real_events", 3_000)
    with track_api() as api:
        least_writer(Bench(tmp_path).input_file(part), api.url, part.rows)()
        sent = api.bodies()
    assert sent.count == 5
    assert sent.max_bytes <= 500_000


def test_ratios_are_taken_per_pair() -> None:
    """A slow moment of the machine affects both sides of a pair and cancels out in its ratio."""
    spread = ratios([2.0, 20.0, 3.0], [1.0, 10.0, 1.0])
    assert (spread.median, spread.low, spread.high) == (2.0, 2.0, 3.0)
    assert f"{spread:.1f}" == "2.0 (2.0 to 3.0)"
    assert f"{Spread.of([4.0]):.1f}" == "4.0"


def test_sides_are_interleaved() -> None:
    """They run A B A B, not A A B B."""
    order: list[str] = []

    def start(name: str) -> Run:
        order.append(name)
        return Run(1.0, 1.0, 0, [name.encode()], [0.0])

    runs = interleaved({name: partial(start, name) for name in "ab"}, 2)
    assert order == ["a", "b", "a", "b"]
    assert {name: [done.lines for done in found] for name, found in runs.items()} == {
        "a": [[b"a"], [b"a"]],
        "b": [[b"b"], [b"b"]],
    }


def test_a_run_measures_its_own_process() -> None:
    """CPU time and peak memory are those of the measured process alone."""
    code = "x = bytearray(150_000_000); sum(range(3_000_000)); print('one'); print('two')"
    done = run([sys.executable, "-c", code])
    assert done.lines == [b"one\n", b"two\n"]
    assert done.arrived_at == sorted(done.arrived_at)
    # Unknown if this process itself has used more.
    assert done.peak_rss_bytes == 0 or done.peak_rss_bytes > 150_000_000
    assert done.cpu_seconds > 0
    assert done.wall_seconds > 0


def test_a_failed_process_yields_no_figure() -> None:
    """The error contains the end of its output; a failed generator is an error too."""
    with pytest.raises(BenchmarkError, match="ended with 3: no room"):
        run([sys.executable, "-c", "import sys; sys.stderr.write('no room'); sys.exit(3)"])
    with pytest.raises(BenchmarkError, match="makes the rows"):
        run_behind([sys.executable, "-c", "import sys; sys.exit(1)"], [sys.executable, "-c", "pass"])


def test_a_states_delay_counts_from_the_last_response_for_the_rows_before_it() -> None:
    """Neither the lane of that row nor responses for later rows matter."""
    answered = [(10.0, [0, 3]), (12.0, [1, 4]), (11.0, [2, 5])]
    state = '{"type":"STATE","state":{"stream":{"stream_state":{"cursor":%d}}}}'
    written = [b'{"type":"LOG"}', (state % 0).encode(), (state % 2).encode(), (state % 5).encode()]
    assert state_delays(written, [9.0, 10.5, 12.25, 13.0], answered) == [0.5, 0.25, 1.0]


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal.at_most("", 2.0, 2.0, ""), "met"),
        (Goal.at_most("", 2.0, 2.5, ""), "**missed, 25% over**"),
        (Goal.at_least("", 50.0, 50.0, ""), "met"),
        (Goal.at_least("", 50.0, 40.0, ""), "**missed, 20% under**"),
    ],
)
def test_a_missed_goal_shows_by_how_much(goal: Goal, verdict: str) -> None:
    """A goal that is met exactly counts as met."""
    assert goal.verdict == verdict


@pytest.mark.parametrize("old", ["", "old\n"])
def test_the_goals_are_written_between_their_markers(old: str) -> None:
    """The text around them is preserved."""
    sections = [Section("Start", "", [["a"]], [Goal.at_most("at most 2 s", 2.0, 1.0, "1 s")])]
    written = with_goals(f"before\n<!-- goals -->\n{old}<!-- end: goals -->\nafter\n", sections)
    assert written == f"before\n<!-- goals -->\n{goals_table(sections)}\n<!-- end: goals -->\nafter\n"
    assert "| Start | at most 2 s | 1 s | met |" in written


def test_the_performance_page_has_markers_for_the_goals() -> None:
    """A complete run needs them."""
    assert "| measurement | goal | measured | verdict |" in with_goals(DOCUMENT.read_text(), [])


def test_tables_are_written_between_the_markers_of_their_measurements() -> None:
    """Measurements without markers stay out of the document."""
    section = Section("Start", "", [["process", "wall, s"], ["spec", "0.2"]])
    before = "a\n<!-- startup -->\nold\n<!-- end: startup -->\nb\n"
    written = with_tables(before, {"startup": section, "skew": section})
    assert written == before.replace("old", "| process | wall, s |\n| --- | ---: |\n| spec | 0.2 |")


def test_the_markers_of_the_performance_page_are_those_of_measurements() -> None:
    """Each has an end, and none is misspelled."""
    text = DOCUMENT.read_text()
    names = re.findall(r"<!-- (\w+) -->", text)
    assert set(names) <= {*NAMES, "goals"}
    assert names == re.findall(r"<!-- end: (\w+) -->", text)
    section = Section("", "", [["found"]])
    assert with_tables(text, dict.fromkeys(NAMES, section)).count("| found |") == len(names) - 1


def test_results_are_read_as_they_were_written() -> None:
    """The documents can be made again without a run."""
    goal = Goal.at_most("at most 2 s", 2.0, 3.0, "3 s")
    plot = Plot("a.svg", "t", "x", "y", {"measured": [(1.0, 2.0)]}, {})
    section = Section("Start", "text", [["a"], ["b"]], [goal], ["note"], [plot])
    results = Results(["2 cores"], 17.4, {"startup": section})
    again = Results.from_json(results.to_json())
    assert page(again) == page(results)
    assert again.sections["startup"].goals[0].verdict == "**missed, 50% over**"
    assert "The whole run took 17 minutes." in page(again)


@pytest.mark.parametrize("content", CONTENTS)
def test_long_lines_are_rows(tmp_path: Path, content: str) -> None:
    """About as long as they should be, and of any content that a parser accepts."""
    path = tmp_path / "line.jsonl"
    write_line(path, content, 1_200)
    row, state, rest = path.read_bytes().split(b"\n")
    assert abs(len(row) - 1_200) < 1_000
    assert json.loads(row)["record"]["data"].keys() >= {"person_email", "long"}
    assert (json.loads(state)["type"], rest) == ("STATE", b"")


def test_a_sync_that_loses_rows_yields_no_figure(tmp_path: Path) -> None:
    """A sync can't look fast by dropping rows."""
    expected = Rows("people", 20)
    with track_api() as api:
        sync = Bench(tmp_path).sync(api.url, expected)
        sync.from_file(Bench(tmp_path).input_file(expected))
        with pytest.raises(BenchmarkError, match="19 delivered and 0 rejected rows, expected 20 and 0"):
            sync.from_file(Bench(tmp_path).input_file(Rows("people", 19)))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"alternatives"}))
def test_each_measurement_runs_in_quick_mode(name: str) -> None:
    """Except the one that needs other libraries."""
    done = benchmarks("--quick", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("## ") == 1


def test_a_comparison_without_the_other_libraries_fails() -> None:
    """The message says how to install them."""
    done = benchmarks("--quick", "alternatives")
    assert (done.returncode, "`make bench` installs them" in done.stderr) == (1, True)


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command_line = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command_line, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
