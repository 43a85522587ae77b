"""A lease on a bucket path, so that a second replay notices the first before it sends the same rows.

The lease is an object beside the files, written again every few seconds while a replay runs. A lease that has not been
renewed for a minute was left behind by a replay that was killed, and may be taken over. Nothing but its age decides,
measured by the store's own clock: whether its holder is alive can't be known from here. Containers may share a host name
and number their processes alike, so host and process are only for the message to the operator.

Of two replays that start at the same moment, a store with conditional writes lets only one acquire it. Elsewhere both may,
so it is a courtesy, not a lock: even then no row is lost and no event counts twice (see `replay/replay.py`).

A replay that was suspended, or cut off from the store, for longer than that notices that its lease was taken over when it
continues, and sends nothing more: its rows would arrive after newer ones of the same people.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast
from uuid import uuid4

from destination_customerio.dead_letters.keys import LEASE_NAME, bucket_root
from destination_customerio.dead_letters.s3_answers import code_of, status_of, version_in
from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explained
from destination_customerio.errors import TransientError
from destination_customerio.exact_json.codec import parse_object
from destination_customerio.supervisor import command_process_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from destination_customerio.config.storage import S3Storage
    from destination_customerio.errors import SyncError

# A lease has less than two hundred; anybody can put another object there.
_MAX_BYTES = 4_096
_MAX_NAME_CHARACTERS = 64
_ACQUIRING = "The lease on the rejected rows could not be acquired, so nothing was sent"


class _Holder(NamedTuple):
    token: str
    name: str
    age_seconds: float
    etag: str


class Lease:
    """Holds the lease while its context is open.

    renew_seconds    how often it is renewed
    lapse_seconds    the age from which on a lease may be taken over; the same for all replays of a bucket
    release_seconds  how long the end may wait for the store; a lease that is not released in time lapses
    on_lost          called in another thread, once, when another replay has taken it over
    clock            counts seconds, also while the machine is suspended

    Raises:
        TransientError: another replay holds it.
        SyncError: the bucket can't be used.
    """

    def __init__(
        self,
        storage: S3Storage,
        *,
        renew_seconds: float = 15.0,
        lapse_seconds: float = 60.0,
        release_seconds: float = 5.0,
        on_lost: Callable[[SyncError], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._renew_seconds = renew_seconds
        self._lapse_seconds = lapse_seconds
        self._release_seconds = release_seconds
        self._on_lost = on_lost
        self._clock = clock
        self._renewed_at = clock()
        self._bucket = storage.s3_bucket_name
        self._key = bucket_root(storage) + LEASE_NAME
        self._token = str(uuid4())
        self._ended = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        with explained(self._storage, _ACQUIRING):
            self._client = make_client(self._storage)
            holder = self._holder()
            self._check(holder)
            self._write_unless_changed(holder)
            self._check(self._holder())
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._keeper.join(self._release_seconds)

    def _keep(self) -> None:
        """Renew the lease until the end, then release it; one thread does both, so that nothing is written after that."""
        is_lost = False
        while not is_lost and not self._ended.wait(self._renew_seconds):
            # A lease that can't be renewed may lapse, which the next renewal notices.
            with contextlib.suppress(Exception):
                if is_lost := self._was_taken_over():
                    self._on_lost(_lost())
                else:
                    self._write()
        # A lease that can't be released lapses by itself.
        with contextlib.suppress(Exception):
            if not is_lost and not self._was_taken_over():
                self._client.delete_object(Bucket=self._bucket, Key=self._key)
        self._client.close()

    def _was_taken_over(self) -> bool:
        holder = self._holder()
        if holder is None:  # by a replay that has ended since, or somebody deleted it
            return self._clock() - self._renewed_at >= self._lapse_seconds
        return holder.token != self._token

    def _write_unless_changed(self, seen: _Holder | None) -> None:
        """Write the lease if it is still as it was seen, on a store that can compare; otherwise in any case."""
        from botocore.exceptions import ClientError

        try:
            self._write({"IfMatch": seen.etag} if seen else {"IfNoneMatch": "*"})
        except ClientError as error:
            match status_of(error):
                case 404 | 409 | 412:
                    holder = self._holder()
                    # The answer to a first attempt may have been lost.
                    if holder is None or holder.token != self._token:
                        raise self._is_running(holder) from None
                case 400 | 405 | 501:
                    self._write()
                case _:
                    raise

    def _write(self, condition: Mapping[str, Any] | None = None) -> None:
        started_at = self._clock()
        content = {"host": socket.gethostname(), "process": command_process_id(), "token": self._token}
        self._client.put_object(
            Bucket=self._bucket,
            Key=self._key,
            Body=json.dumps(content).encode(),
            ContentType="application/json",
            **(condition or {}),
        )
        # The store may have written it before the machine was suspended, and answered after.
        self._renewed_at = started_at

    def _holder(self) -> _Holder | None:
        from botocore.exceptions import ClientError

        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
        except ClientError as error:
            if code_of(error) in ("NoSuchKey", "404"):
                return None
            raise
        with contextlib.closing(answer["Body"]) as body:
            content = parse_object(body.read(_MAX_BYTES)) or {}
        now = _time_in(answer["ResponseMetadata"]["HTTPHeaders"])
        etag, written_at = version_in(cast("Mapping[str, Any]", answer), self._key)
        age_seconds = (now - written_at).total_seconds()
        return _Holder(str(content.get("token")), _name(content), age_seconds, f'"{etag}"')

    def _check(self, holder: _Holder | None) -> None:
        if holder is None or holder.token == self._token or holder.age_seconds >= self._lapse_seconds:
            return
        raise self._is_running(holder)

    def _is_running(self, holder: _Holder | None) -> TransientError:
        if holder is None:
            return TransientError(
                "Another replay of these rejected rows was running just now. Nothing was sent. Run the replay again."
            )
        return TransientError(
            f"Another replay of these rejected rows is running ({holder.name}, lease renewed {holder.age_seconds:,.0f} s "
            "ago). Nothing was sent. Wait until it has finished; if it was killed, its lease expires in "
            f"{max(self._lapse_seconds - holder.age_seconds, 0):,.0f} s."
        )


def _time_in(headers: Mapping[str, str]) -> datetime:
    """The store's clock, as far as an answer shows it; otherwise this machine's."""
    try:
        moment = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # a date in "-0000" has no zone


def _lost() -> TransientError:
    return TransientError(
        "Another replay of these rejected rows has started, as this one could not renew its lease for a minute: it was "
        "suspended, or the store did not answer. This one sends nothing more, and no row is lost. Let the other one finish."
    )


def _name(content: dict[str, Any]) -> str:
    match content:
        case {"host": str() as host, "process": int() as process}:
            return f"host {host[:_MAX_NAME_CHARACTERS]}, process {process}"
    return "holder unknown"
