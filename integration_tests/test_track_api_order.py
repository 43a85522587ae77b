"""The local Track API's watch over each person's order: what it flags, and what it lets pass."""

from __future__ import annotations

from tools.local_track_api.order import OrderWatch, RequestUnderWay


class Receiver:
    """Feeds requests of one person, `ada`, to a watch; time is counted in steps."""

    def __init__(self) -> None:
        self.watch = OrderWatch()
        self.time = 0.0
        self.requests = 0

    def start(self, *, abandoned: bool = False, arrived_at: float | None = None) -> RequestUnderWay:
        """A request with entries of ada arrives."""
        self.time += 1
        self.requests += 1
        arrived = self.time if arrived_at is None else arrived_at
        request = RequestUnderWay(self.requests, arrived, lambda: abandoned)
        self.watch.begin(request, ["ada"])
        return request

    def end(self, request: RequestUnderWay, *, answered: bool = True, settled: bool = True) -> None:
        """A request is over."""
        self.time += 1
        self.watch.end(request, self.time, answered=answered, settled=settled)

    def send(self, *sequences: int, lost: bool = False, digest: int = 1) -> None:
        """A whole request with these sequence numbers, its answer delivered or lost."""
        request = self.start()
        for sequence in sequences:
            self.watch.apply(request, "ada", sequence, digest)
        self.end(request, answered=not lost, settled=not lost)

    def kinds(self) -> list[str]:
        """The violations so far, by kind."""
        return [violation.kind for violation in self.watch.violations]


def test_ascending_numbers_pass_with_gaps() -> None:
    """Strictly ascending is enough, as some entries may be rejected."""
    receiver = Receiver()
    receiver.send(1, 2, 5)
    receiver.send(6)
    receiver.send(-1 + 10)
    assert receiver.kinds() == []


def test_older_after_newer_is_flagged_with_both_requests() -> None:
    """An older entry in a later request is named with the numbers and the requests."""
    receiver = Receiver()
    receiver.send(2)
    receiver.send(1)
    (violation,) = receiver.watch.violations
    assert (violation.kind, violation.person, violation.request, violation.earlier_request) == (
        "sequence",
        "ada",
        2,
        1,
    )
    assert violation.detail == "_seq 1 was applied after 2"


def test_older_after_newer_within_one_request_is_flagged() -> None:
    """The order inside a request counts, and so does a number given twice."""
    receiver = Receiver()
    receiver.send(2, 1)
    receiver.send(3, 3)
    assert receiver.kinds() == ["sequence", "sequence"]


def test_a_request_may_come_again_after_a_lost_answer() -> None:
    """The same bytes, as often as the answer is lost, whole or in parts, and then what follows."""
    receiver = Receiver()
    receiver.send(1, 2, 3, 4, lost=True)
    receiver.send(1, 2, 3, 4, lost=True)
    receiver.send(1, 2)
    receiver.send(3, 4, lost=True)
    receiver.send(3, 4)
    receiver.send(5)
    assert receiver.kinds() == []


def test_a_lost_request_must_not_come_again_after_a_newer_one() -> None:
    """Lost answer or not: once a later request was applied, the earlier one would undo it."""
    receiver = Receiver()
    receiver.send(1, lost=True)
    receiver.send(2, lost=True)
    receiver.send(1)
    assert receiver.kinds() == ["sequence"]


def test_parts_of_a_lost_request_must_keep_their_order() -> None:
    """The second half first, and then the first half, undoes the second."""
    receiver = Receiver()
    receiver.send(1, 2, 3, 4, lost=True)
    receiver.send(3, 4)
    receiver.send(1, 2)
    assert receiver.kinds() == ["sequence", "sequence"]


def test_other_bytes_are_no_repeat() -> None:
    """An old number with other content is something older after something newer."""
    receiver = Receiver()
    receiver.send(1, 2, lost=True)
    receiver.send(1, digest=2)
    assert receiver.kinds() == ["sequence"]


def test_an_answered_request_must_not_come_again() -> None:
    """Once its answer was delivered, sending a request again goes back in time."""
    receiver = Receiver()
    receiver.send(1, 2)
    receiver.send(1, 2)
    assert receiver.kinds() == ["sequence"]


def test_a_repeat_may_bring_something_new_along() -> None:
    """A retry that is filled up with newer entries is one run, and may itself come again."""
    receiver = Receiver()
    receiver.send(1, 2, lost=True)
    receiver.send(1, 2, 3, lost=True)
    receiver.send(1, 2, 3)
    assert receiver.kinds() == []


def test_a_new_sync_may_start_from_an_earlier_state() -> None:
    """After a crash, rows come again from the last acknowledged state; violations found before stay."""
    receiver = Receiver()
    receiver.send(2)
    receiver.send(1)
    receiver.watch.new_sync()
    receiver.send(1, 2)
    assert receiver.kinds() == ["sequence"]


def test_two_requests_of_one_person_at_a_time_are_flagged() -> None:
    """A second request while the first is unanswered is an overlap, with numbers or without."""
    receiver = Receiver()
    first = receiver.start()
    second = receiver.start()
    receiver.end(first)
    receiver.end(second)
    assert receiver.kinds() == ["overlap"]


def test_a_request_sent_before_the_other_was_answered_is_flagged() -> None:
    """Also when it was looked at only afterwards: what counts is when it was sent."""
    receiver = Receiver()
    first = receiver.start()
    sent_at = receiver.time + 0.5
    receiver.end(first)
    receiver.start(arrived_at=sent_at)
    assert receiver.kinds() == ["overlap"]


def test_one_request_after_the_other_passes() -> None:
    """A request that comes after the answer is no overlap."""
    receiver = Receiver()
    for _ in range(3):
        receiver.end(receiver.start())
    assert receiver.kinds() == []


def test_a_request_whose_client_has_hung_up_does_not_count() -> None:
    """A client that timed out may send again while the server still works on the first try."""
    receiver = Receiver()
    first = receiver.start(abandoned=True)
    sent_at = receiver.time + 0.5
    second = receiver.start()
    receiver.end(first, answered=False, settled=False)
    receiver.end(second)
    first = receiver.start(abandoned=True)
    sent_at = receiver.time + 0.5
    receiver.end(first, answered=False, settled=False)
    receiver.end(receiver.start(arrived_at=sent_at))
    assert receiver.kinds() == []


def test_different_people_may_be_under_way_together() -> None:
    """Concurrency across people is what lanes are for."""
    watch = OrderWatch()
    for number, person in enumerate(("ada", "bob"), 1):
        watch.begin(RequestUnderWay(number, float(number), lambda: False), [person])
    assert watch.violations == []
