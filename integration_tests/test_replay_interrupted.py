"""`replay`, killed, stopped, failing or run concurrently: no row is lost, and none counts twice."""

from __future__ import annotations

import os
import signal
import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest

from integration_tests.command_line import ended, run_command, started
from integration_tests.connector import (
    catalog_of,
    record,
    wait_until,
)
from integration_tests.faults.sizes import IS_LONG
from integration_tests.rejected_rows import (
    CATALOG,
    GOOD_ORDERS,
    LEASE_KEY,
    LINES,
    ORDERS,
    arrived,
    config,
    contents,
    fill,
    let_lease_lapse,
    restore,
    rows_in,
    seqs,
    snapshot,
)
from integration_tests.s3_proxy import CONDITIONS, RESET, Request, proxy_to

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi


@pytest.mark.parametrize("store", ["with conditional writes", "without"])
@pytest.mark.parametrize(
    ("moment", "strategy"),
    [("before it reaches the store", "retry_safe"), ("after the store has done it", "none")],
)
def test_a_replay_killed_at_any_request_to_the_store_loses_and_doubles_nothing(
    api: LocalTrackApi, bucket: Bucket, moment: str, strategy: str, store: str
) -> None:
    """SIGKILL at each of its writes, or in the long suite at each of its requests; then once more to the end."""
    fill(api, bucket.config())
    filled = snapshot(bucket)
    kills = 0
    for number in count():
        api.reset()
        restore(bucket, filled)
        ignored = CONDITIONS if store == "without" else frozenset[str]()
        if not _killed_at(number, moment, strategy, api, bucket, ignored):
            break
        kills += 1
        let_lease_lapse(bucket)
        _finish(api, bucket, strategy)
    # The lease, the replayed rows of two files, the question whether the store has conditional writes, the file that
    # stays, the file that goes, the lease again. Without them what was written for the question is deleted, and the file
    # that stays is written under another key, copied, read back and deleted there.
    requests = (25, 7) if store == "with conditional writes" else (29, 10)
    assert kills == requests[0 if IS_LONG else 1]


def _finish(api: LocalTrackApi, bucket: Bucket, strategy: str = "retry_safe") -> None:
    """Nothing is lost by now, and one more replay ends as if nothing had happened."""
    everywhere = rows_in(bucket, replayed=False) + rows_in(bucket, replayed=True)
    assert set(seqs(everywhere)) == set(range(9))
    assert len({row["n"] for row in everywhere if "n" in row}) == 5
    api.new_sync()
    done = run_command("replay", config(api, bucket.config(), event_id_strategy=strategy), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(arrived(api)) == GOOD_ORDERS
    assert len(api.world.profiles()) == 5
    assert seqs(rows_in(bucket, replayed=False)) == [0, 3, 6]
    assert seqs(rows_in(bucket, replayed=True)) == GOOD_ORDERS
    assert len(bucket.keys()) == 3


def _killed_at(
    number: int, moment: str, strategy: str, api: LocalTrackApi, bucket: Bucket, ignored: frozenset[str]
) -> bool:
    """Kill a replay at its n-th write, or request; False when it ends before that."""
    requests = count()
    process: list[subprocess.Popen[str]] = []

    def kill(request: Request) -> bool:
        if not (IS_LONG or request.method in ("PUT", "DELETE")) or next(requests) != number:
            return False
        wait_until(lambda: bool(process))
        os.kill(process[0].pid, signal.SIGKILL)
        process[0].wait()
        return True

    def before(request: Request) -> str | None:
        return RESET if moment.startswith("before") and kill(request) else None

    def after(request: Request, body: bytes) -> bytes:
        if moment.startswith("after"):
            kill(request)
        return body

    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse, proxy.change, proxy.ignored = before, after, ignored
        settings = config(api, bucket.config(s3_endpoint=proxy.url), event_id_strategy=strategy)
        with started("replay", settings, CATALOG) as running:
            process.append(running)
            return ended(running).exit_code == -signal.SIGKILL


def test_a_store_that_fails_at_any_request_ends_it_with_a_sentence(
    api: LocalTrackApi, bucket: Bucket
) -> None:
    """Denied or broken from its n-th write on, or in the long suite its n-th request; then once more to the end."""
    fill(api, bucket.config())
    filled = snapshot(bucket)
    exit_codes = []
    for number in count():
        api.reset()
        restore(bucket, filled)
        code = ("AccessDenied", "InternalError")[number % 2]
        requests = count()
        refused: list[Request] = []

        def refuse(
            request: Request,
            number: int = number,
            code: str = code,
            requests: Iterator[int] = requests,
            refused: list[Request] = refused,
        ) -> str | None:
            if not (IS_LONG or request.method in ("PUT", "DELETE")) or next(requests) < number:
                return None
            refused.append(request)
            return code

        with proxy_to(bucket.endpoint) as proxy:
            proxy.refuse = refuse
            done = run_command("replay", config(api, bucket.config(s3_endpoint=proxy.url)), CATALOG)
        if not refused:
            break
        exit_codes.append(done.exit_code)
        assert done.stderr.count("\n") == done.exit_code
        assert "refused by the test" not in done.stderr
        let_lease_lapse(bucket)
        _finish(api, bucket)
    # Only the release of the lease (a GET, a DELETE) may fail silently: the lease lapses by itself.
    assert exit_codes == ([1] * 23 + [0] * 2 if IS_LONG else [1] * 6 + [0])


@pytest.mark.parametrize(
    ("status", "words"),
    [(503, "Customer.io did not accept a request after"), (401, "Customer.io does not accept the Site ID")],
)
def test_a_server_that_fails_in_between_ends_it_with_a_sentence(
    api: LocalTrackApi, bucket: Bucket, status: int, words: str
) -> None:
    """The file before is done; the next replay resends the current one."""
    fill(api, bucket.config())
    api.inject({"request": [2, 1_000_000], "status": status})
    settings = config(api, bucket.config(), max_concurrent_requests=1, retry_timeout_seconds=3)
    done = run_command("replay", settings, CATALOG)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert words in done.stderr
    assert ": files before it are done, and its own rows are sent again when you run the replay again." in (
        done.stderr
    )
    assert "6 rows accepted and moved to" in done.stdout
    assert ("Retrying; " in done.stdout) == (status == 503)
    assert len(rows_in(bucket, replayed=False)) == 3 + 5
    api.inject()
    _finish(api, bucket)


def test_a_file_whose_rows_are_all_refused_does_not_stop_the_replay(
    api: LocalTrackApi, bucket: Bucket
) -> None:
    """Rows that were refused before may be refused again, however many they are."""
    refused = 260
    lines = [
        *(
            record("orders", {"person_id": "u1", "event_name": "paid", "_poison_request": "message"})
            for _ in range(refused)
        ),
        *LINES[9:],
    ]
    fill(api, bucket.config(), lines)
    done = run_command("replay", config(api, bucket.config()), CATALOG)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"5 rows accepted, {refused} rejected again. Done." in done.stdout
    assert len(api.world.profiles()) == 5
    assert len(rows_in(bucket, replayed=False)) == refused


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_replay_that_ends_within_a_file_leaves_it_as_it_is(
    api: LocalTrackApi, bucket: Bucket, sent: signal.Signals
) -> None:
    """The next replay resumes without duplicating what was sent."""
    storage = bucket.config()
    lines = [
        record("orders", {"person_id": f"u{n}", "event_name": "paid", "_seq": n, "x": "x" * 12_000})
        for n in range(400)
    ]
    fill(api, storage, lines, catalog_of(ORDERS))
    objects = contents(bucket)
    # Ten requests, one after the other: far fewer can be answered in the eight seconds that a signal leaves.
    api.configure(latency_seconds=1.5)
    with started("replay", config(api, storage, max_concurrent_requests=1), CATALOG) as process:
        wait_until(lambda: len(arrived(api)) > 0)
        process.send_signal(sent)
        done = ended(process)
    if sent == signal.SIGKILL:
        assert done.exit_code == -sent
    else:
        assert (done.exit_code, done.stderr) == (128 + sent, "")
        assert "stopped early; the file is unchanged" in done.stdout
        assert "Stopped before the end. Run the replay again to resume." in done.stdout
    assert 0 < len(arrived(api)) < 400
    assert {key: body for key, body in contents(bucket).items() if key in objects} == objects
    api.configure(latency_seconds=0)
    api.new_sync()
    let_lease_lapse(bucket)
    assert run_command("replay", config(api, storage), CATALOG).exit_code == 0
    assert sorted(arrived(api)) == list(range(400))
    assert rows_in(bucket, replayed=False) == []


def test_a_second_replay_notices_the_first_before_it_sends(api: LocalTrackApi, bucket: Bucket) -> None:
    """It ends with an error message, and the first continues; a dry run needs no lease."""
    storage = bucket.config()
    fill(api, storage)
    others_have_ended = threading.Event()

    def hold(request: Request) -> None:
        if request.method == "PUT" and "/replayed/" in request.path:
            others_have_ended.wait()

    with proxy_to(bucket.endpoint) as proxy:
        proxy.refuse = hold
        try:
            with started("replay", config(api, bucket.config(s3_endpoint=proxy.url)), CATALOG) as process:
                wait_until(lambda: LEASE_KEY in bucket.keys())  # noqa: SIM118 - no mapping
                second = run_command("replay", config(api, storage), CATALOG).failure()
                assert "Another replay of these rejected rows is running (host " in second
                assert f", process {process.pid}, lease renewed " in second
                assert run_command("replay", config(api, storage), CATALOG, "--dry-run").exit_code == 0
                others_have_ended.set()
                assert "11 rows accepted, 3 rejected again. Done." in ended(process).stdout
        finally:
            others_have_ended.set()
    assert LEASE_KEY not in bucket.keys()  # noqa: SIM118 - no mapping


@pytest.mark.parametrize("change", ["fixed", "deleted"])
def test_a_file_changed_during_a_replay_is_left_unchanged(
    api: LocalTrackApi, bucket: Bucket, change: str
) -> None:
    """The change is not overwritten, and the report says so."""
    fill(api, bucket.config(), LINES[:9])
    (key,) = bucket.keys()

    def meddle(request: Request) -> None:
        if request.method == "GET" and key in request.path:
            if change == "fixed":
                fixed = bucket.read(key).replace(b'""person_id"": null', b'""person_id"": ""u9""')
                bucket.client.put_object(Bucket=bucket.name, Key=key, Body=fixed)
            else:
                bucket.client.delete_object(Bucket=bucket.name, Key=key)

    with proxy_to(bucket.endpoint) as proxy:

        def change_after(request: Request, body: bytes) -> bytes:
            meddle(request)
            return body

        proxy.change = change_after
        done = run_command("replay", config(api, bucket.config(s3_endpoint=proxy.url)), CATALOG)
    assert done.exit_code == 0
    assert "it was modified while its rows were being sent" in done.stdout
    assert rows_in(bucket, replayed=True) == []
    left = rows_in(bucket, replayed=False)
    assert [row["person_id"] for row in left if row["_seq"] == 0] == (["u9"] if change == "fixed" else [])
    run_command("replay", config(api, bucket.config()), CATALOG)
    assert sorted(arrived(api)) == (list(range(9)) if change == "fixed" else GOOD_ORDERS)


def test_a_store_that_gives_names_of_metadata_back_with_capitals(api: LocalTrackApi, bucket: Bucket) -> None:
    """Some do: files have their labels all the same, and a replay that was interrupted leaves no second copy."""
    fill(api, bucket.config(path_format="{uuid}/"))
    with proxy_to(bucket.endpoint) as proxy:
        proxy.header_name = str.title
        proxy.refuse = lambda request: "AccessDenied" if request.method == "DELETE" else None
        settings = config(api, bucket.config(s3_endpoint=proxy.url, path_format="{uuid}/"))
        assert run_command("replay", settings, CATALOG).exit_code == 1
        let_lease_lapse(bucket)
        proxy.refuse = lambda _: None
        assert run_command("replay", settings, CATALOG).exit_code == 0
    assert seqs(rows_in(bucket, replayed=True)) == GOOD_ORDERS
    assert len(bucket.keys()) == 3
