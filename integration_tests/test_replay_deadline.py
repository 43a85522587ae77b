"""`rejected` and `replay` end within ten seconds of a signal, whatever the store does."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from integration_tests.command_line import ended, run_command, sent_to_terminal, started
from integration_tests.connector import catalog_of, config_for, wait_until
from integration_tests.rejected_rows import ORDERS
from integration_tests.s3_proxy import Request, proxy_to

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(ORDERS)
ROW = b'{"_airbyte_raw_id":"r1","_airbyte_data":{"person_id":"u1","event_name":"paid","_seq":1}}\n'
FILE = "/2026_11_24_1_0.jsonl"


def is_file(request: Request, method: str, part: str = "/42/orders/") -> bool:
    """Whether a request is of this kind, and for the file."""
    return request.method == method and request.path.endswith(FILE) and part in request.path


# Where the store stops answering, by the operation in progress. A HEAD for a file that was listed is sent by another
# thread.
MOMENTS: dict[str, tuple[str, Callable[[Request], bool]]] = {
    "acquiring": ("replay", lambda request: request.path.endswith("/_replay_claim")),
    "writing-the-lease": (
        "replay",
        lambda request: request.method == "PUT" and request.path.endswith("/_replay_claim"),
    ),
    "listing": ("replay", lambda request: "list-type=2" in request.path),
    "looking-up": ("replay", lambda request: request.method == "HEAD"),
    "fetching": ("replay", lambda request: is_file(request, "GET")),
    "looking": ("replay", lambda request: request.method == "HEAD" and "/replayed/" in request.path),
    "storing": ("replay", lambda request: request.method == "PUT" and "/replayed/" in request.path),
    "deleting": ("replay", lambda request: is_file(request, "DELETE")),
    "listing-to-count": ("rejected", lambda request: "list-type=2" in request.path),
    "counting": ("rejected", lambda request: request.method == "HEAD"),
    "fetching-to-count": ("rejected", lambda request: is_file(request, "GET")),
}
# Those whose answers have a body, which may stop halfway.
WITH_BODY = ("acquiring", "listing", "fetching", "listing-to-count", "fetching-to-count")


@pytest.fixture(autouse=True)
def _as_many_attempts_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few attempts boto3 would give up by itself, a minute or two later."""
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")


@contextlib.contextmanager
def silent_store(
    bucket: Bucket, is_silent: Callable[[Request], bool], *, midway: bool = False
) -> Iterator[tuple[str, threading.Event]]:
    """The URL of a store that never answers some requests, and an event that is set when the first of them came.

    Args:
        bucket: what is behind it
        is_silent: which requests
        midway: whether half of the body comes
    """
    silence, test_has_ended = threading.Event(), threading.Event()

    def wait(request: Request) -> None:
        if is_silent(request):
            silence.set()
            test_has_ended.wait()

    with proxy_to(bucket.endpoint) as proxy:
        if midway:
            proxy.midway = wait
        else:
            proxy.refuse = wait
        try:
            yield proxy.url, silence
        finally:
            test_has_ended.set()


def put_row(bucket: Bucket, path: str) -> None:
    """Store one rejected row below a bucket path."""
    bucket.client.put_object(Bucket=bucket.name, Key=f"{path}/42/orders/2026_11_24_1_0.jsonl", Body=ROW)


@pytest.mark.parametrize("midway", [False, True], ids=["no answer", "half an answer"])
@pytest.mark.parametrize("turn", range(3))
def test_a_signal_ends_a_command_whose_store_stopped_answering(
    api: LocalTrackApi, bucket: Bucket, turn: int, *, midway: bool
) -> None:
    """At any moment; some at once, as each takes seconds. The next replay sends what was not settled."""
    with contextlib.ExitStack() as stack:
        processes = {}
        for path in (WITH_BODY if midway else list(MOMENTS))[turn::3]:
            command, is_silent = MOMENTS[path]
            put_row(bucket, path)
            url, silence = stack.enter_context(silent_store(bucket, is_silent, midway=midway))
            storage = bucket.config(s3_endpoint=url, bucket_path=path)
            config = config_for(api.url, object_storage_config=storage, identifierType="id")
            catalog = CATALOG if command == "replay" else None
            processes[path] = stack.enter_context(started(command, config, catalog))
            wait_until(silence.is_set)
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        for path, process in processes.items():
            done = ended(process)
            assert (path, done.exit_code) == (path, 143)
            if MOMENTS[path][0] == "replay":
                assert "Stopped without waiting any longer for the bucket or Customer.io." in done.failure(
                    143
                )
            else:
                assert (done.stdout, done.stderr) == ("", "")
            assert bucket.read(f"{path}/42/orders/2026_11_24_1_0.jsonl") == ROW


def test_a_terminal_has_its_cursor_back_whatever_the_store_does(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path
) -> None:
    """The progress bar hides it, and the deadline skips the bar's cleanup."""
    path = tmp_path / "config.json"
    put_row(bucket, "customerio/rejected")

    with silent_store(bucket, MOMENTS["counting"][1]) as (url, silence):

        def interrupt(process: subprocess.Popen[bytes]) -> None:
            wait_until(silence.is_set)
            process.send_signal(signal.SIGINT)

        config = config_for(api.url, object_storage_config=bucket.config(s3_endpoint=url))
        path.write_text(json.dumps(config))
        sent, exit_code = sent_to_terminal("rejected", "--config", str(path), meanwhile=interrupt)
    assert exit_code == 130
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")


def test_ctrl_c_is_answered_at_once(api: LocalTrackApi, bucket: Bucket) -> None:
    """Before the nine seconds that the requests in flight may take."""
    put_row(bucket, "customerio/rejected")
    with silent_store(bucket, MOMENTS["fetching"][1]) as (url, silence):
        settings = config_for(
            api.url, object_storage_config=bucket.config(s3_endpoint=url), identifierType="id"
        )
        with started("replay", settings, CATALOG) as process:
            wait_until(silence.is_set)
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Stopping: the requests in flight are finished")
            assert process.poll() is None
            assert ended(process).exit_code == 130


def test_a_store_whose_name_is_not_resolved_does_not_hold_up_the_end(
    api: LocalTrackApi, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lookup blocks the main thread, and no signal handler runs until it ends."""
    blocking = tmp_path / "sitecustomize.py"
    blocking.write_text(
        "import hashlib, socket\n"
        "def getaddrinfo(*_, **__):\n"
        "    open(__file__ + '.asked', 'w').close()\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n"
        "socket.getaddrinfo = getaddrinfo\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    asked = tmp_path / "sitecustomize.py.asked"
    settings = config_for(api.url, object_storage_config=bucket.config(), identifierType="id")
    for command, catalog in (("rejected", None), ("replay", CATALOG)):
        with started(command, settings, catalog) as process:
            wait_until(asked.exists)
            process.send_signal(signal.SIGTERM)
            assert ended(process).exit_code == 143
        asked.unlink()


def test_a_replay_ends_although_its_lease_can_not_be_released(api: LocalTrackApi, bucket: Bucket) -> None:
    """The rows are settled by then, and the lease lapses by itself."""
    put_row(bucket, "customerio/rejected")

    def is_release(request: Request) -> bool:
        return request.method == "DELETE" and request.path.endswith("/_replay_claim")

    with silent_store(bucket, is_release) as (url, silence):
        storage = bucket.config(s3_endpoint=url)
        config = config_for(api.url, object_storage_config=storage, identifierType="id")
        done = run_command("replay", config, CATALOG)
        assert silence.is_set()
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 row accepted, 0 rejected again. Done." in done.stdout
