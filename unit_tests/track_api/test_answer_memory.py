"""Large answers are bounded in number and size, whatever a server sends."""

from __future__ import annotations

import gzip
import queue
import threading
from typing import TYPE_CHECKING

import pytest

from destination_customerio.track_api.answer_memory import AnswerMemory
from destination_customerio.track_api.verdict import Answer, NoAnswer
from unit_tests.track_api.loopback import Reply, Server, http

if TYPE_CHECKING:
    from collections.abc import Callable

    from destination_customerio.track_api.client import TrackClient

    Connect = Callable[..., TrackClient]

BODY = b'{"batch":[{"type":"person"}]}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"

pytestmark = pytest.mark.usefixtures("plain_environment")


def test_large_answers_are_read_one_at_a_time(connect: Connect) -> None:
    """The next one waits until the first has been judged, at no cost to its own timeout; small ones don't wait."""
    memory = AnswerMemory()
    body = bytes(8 * 1024 * 1024)
    answers: queue.SimpleQueue[Answer | NoAnswer] = queue.SimpleQueue()
    with Server(lambda request: http(200, body if request.body else b"{}")) as server:
        first, second, third = (connect(server.url, seconds, memory=memory) for seconds in (20.0, 1.0, 20.0))
        held = first.post_batch(BODY)
        thread = threading.Thread(target=lambda: answers.put(second.post_batch(BODY)))
        thread.start()
        thread.join(1.5)
        assert thread.is_alive()
        assert third.get_region() == Answer(200, b"{}")
        held.release()
        assert answers.get(timeout=60) == Answer(200, body)
        thread.join()


def test_an_answer_that_is_given_up_frees_its_memory(connect: Connect) -> None:
    """Whether it was too long, cut off, or too slow."""
    memory = AnswerMemory()
    replies = iter(
        [
            http(200, bytes(64 * 1024 * 1024)),
            Reply(HEAD + bytes(900_000), "close"),
            Reply(HEAD + bytes(900_000), "hang"),
        ]
    )
    with Server(lambda _: next(replies)) as server:
        client = connect(server.url, 1.0, memory=memory)
        for _ in range(3):
            assert isinstance(client.post_batch(BODY), NoAnswer)
    memory.reserve()


@pytest.mark.parametrize("is_compressed", [True, False])
def test_an_oversized_answer_is_not_read_to_the_end(connect: Connect, is_compressed: bool) -> None:
    """Memory is bounded, whether the answer is compressed or not."""
    body = bytes(64 * 1024 * 1024)
    reply = http(200, gzip.compress(body, 1), Content_Encoding="gzip") if is_compressed else http(200, body)
    with Server(lambda _: reply) as server:
        assert connect(server.url).post_batch(BODY) == NoAnswer("the answer was too long")


@pytest.mark.parametrize("value", [b"{}", b"[]", b'""', b'{"batch_index":0}'])
def test_an_answer_of_very_many_values_is_not_parsed(connect: Connect, value: bytes) -> None:
    """It would take many times its length."""
    body = b'{"errors":[' + b",".join([value] * (31_000_000 // (len(value) + 1))) + b"]}"
    with Server(lambda _: http(207, body)) as server:
        assert connect(server.url).post_batch(BODY) == NoAnswer("the answer was too long")


def test_an_answer_about_every_row_is_read(connect: Connect) -> None:
    """A 207 that rejects thousands of rows takes megabytes."""
    body = b'{"errors":[' + b",".join([b'{"message":"' + b"x" * 500 + b'"}'] * 10_000) + b"]}"
    with Server(lambda _: http(207, body)) as server:
        assert connect(server.url).post_batch(BODY) == Answer(207, body)
