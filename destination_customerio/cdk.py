"""The connector as the CDK knows it: spec, check, discover and write, with the CDK's messages in and out.

The CDK's own command loop is not used: it knows no `discover`, drops what it does not know of a state, logs the lines
that it can't decode, and does not flush. `run.py` is the command line; `write` here, for programs that bring messages,
feeds the same sync as the command line does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson
from airbyte_cdk.destinations import Destination
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConnectorSpecification,
    ConnectorSpecificationSerializer,
    Status,
)

from destination_customerio.airbyte.catalog import parse_catalog
from destination_customerio.airbyte.output import Output
from destination_customerio.airbyte.stdin import EndOfInput, Lines
from destination_customerio.check import check_connection
from destination_customerio.config.loader import parse_config
from destination_customerio.config.spec import specification
from destination_customerio.errors import SyncError
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import destination_catalog
from destination_customerio.sync.events import Inbox, Stop
from destination_customerio.sync.wiring import prepare_sync

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from destination_customerio.airbyte.catalog import Stream
    from destination_customerio.config.model import Config


class DestinationCustomerIO(Destination):
    """Sends the rows of Airbyte streams to Customer.io's Track API."""

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:  # noqa: ARG002 - the CDK's signature
        """The form that a person fills in."""
        return ConnectorSpecificationSerializer.load(specification())

    def check(
        self,
        logger: logging.Logger,  # noqa: ARG002 - the CDK's signature
        config: Mapping[str, Any],
    ) -> AirbyteConnectionStatus:
        """Whether the credentials, the region and the bucket work; if not, what to do."""
        try:
            check_connection(parse_config(config, os.environ))
        except SyncError as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=str(error))
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def discover(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The destination catalog: what rows can become. The CDK has no model that keeps all of it.

        Raises:
            ConfigError: the configuration is wrong.
        """
        return destination_catalog(IDENTIFIER_KINDS[parse_config(config, os.environ).identifier_type])

    def write(
        self,
        config: Mapping[str, Any],
        configured_catalog: ConfiguredAirbyteCatalog,
        input_messages: Iterable[AirbyteMessage],
    ) -> Iterator[AirbyteMessage]:
        """Write rows; yields the states that became true, and log messages.

        The CDK's models have forgotten what they do not know of a message by the time it comes here; the command line
        keeps everything.

        Raises:
            SyncError: the sync failed; the states yielded before are true.
        """
        checked = parse_config(config, os.environ)
        streams = parse_catalog(orjson.dumps(ConfiguredAirbyteCatalogSerializer.dump(configured_catalog)))
        sync = _SyncInThreads()
        answers_out, answers_in = os.pipe()
        for task in (
            lambda: sync.feed(input_messages),
            lambda: sync.work(os.fdopen(answers_in, "wb"), checked, streams),
        ):
            threading.Thread(target=task, daemon=True).start()
        try:
            with os.fdopen(answers_out, "rb") as answers:
                for line in answers:
                    yield AirbyteMessageSerializer.load(orjson.loads(line))
        finally:
            sync.stop()
        if sync.failures:
            raise sync.failures[0]


class _SyncInThreads:
    """A sync whose messages come from one thread and whose coordinator is another.

    failures  what the two met, in order; all of it is there when the answers' file is closed
    """

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self._inbox = Inbox()
        self._ended = threading.Event()

    def feed(self, messages: Iterable[AirbyteMessage]) -> None:
        """Post messages until there are no more, or the sync has ended."""
        try:
            for message in messages:
                self._inbox.wait_for_slot()
                if self._ended.is_set():
                    return
                self._inbox.post(Lines(orjson.dumps(AirbyteMessageSerializer.dump(message))))
        except Exception as error:  # noqa: BLE001 - it is the caller's own, and raised there
            self.failures.append(error)
        self._inbox.post(EndOfInput())

    def stop(self) -> None:
        """Take nothing more, where the caller has stopped to listen; what has ended already is not changed by it."""
        self._inbox.post(Stop(signal.SIGTERM))

    def work(self, file: BinaryIO, config: Config, streams: Sequence[Stream]) -> None:
        """Run the coordinator, which writes to `file` and closes it."""
        with contextlib.suppress(BrokenPipeError), file:
            try:
                prepare_sync(config, streams, self._inbox, Output(file)).run()
            except Exception as error:  # noqa: BLE001 - raised by whoever reads the answers to their end
                self.failures.append(error)
            finally:
                self._ended.set()
                self._inbox.free_slot()
