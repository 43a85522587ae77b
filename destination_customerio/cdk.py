"""The connector as a CDK `Destination`: spec, check, discover and write on the CDK's message objects.

The CDK's own command loop is not used: it has no `discover`, drops unknown state fields, logs undecodable lines with
their content, and does not flush. `cli.py` is the command line; `write` here runs the same sync for programs that pass
message objects. The CDK prints log records of other libraries, so those that may quote a row or a key are silenced.
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
from destination_customerio.crash_reports import silence_client_libraries
from destination_customerio.errors import SyncError, unexpected
from destination_customerio.mapping.identifiers import IDENTIFICATIONS
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

    def __init__(self) -> None:
        super().__init__()
        silence_client_libraries()

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:  # noqa: ARG002 - the CDK's signature
        """The configuration schema."""
        return ConnectorSpecificationSerializer.load(specification())

    def check(
        self,
        logger: logging.Logger,  # noqa: ARG002 - the CDK's signature
        config: Mapping[str, Any],
    ) -> AirbyteConnectionStatus:
        """Test the credentials, the region and the bucket; a failure says what to do."""
        try:
            check_connection(parse_config(config, os.environ))
        except SyncError as error:
            return AirbyteConnectionStatus(status=Status.FAILED, message=str(error))
        except Exception as error:  # noqa: BLE001 - the CDK would log its text
            return AirbyteConnectionStatus(
                status=Status.FAILED, message=str(unexpected(error, "Nothing was written."))
            )
        return AirbyteConnectionStatus(status=Status.SUCCEEDED)

    def discover(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The destination catalog, as a dict because the CDK's model drops parts of it.

        Raises:
            ConfigError: the configuration is invalid.
        """
        return destination_catalog(IDENTIFICATIONS[parse_config(config, os.environ).identifier_type])

    def write(
        self,
        config: Mapping[str, Any],
        configured_catalog: ConfiguredAirbyteCatalog,
        input_messages: Iterable[AirbyteMessage],
    ) -> Iterator[AirbyteMessage]:
        """Write rows; yields acknowledged states and log messages.

        The CDK's models drop unknown fields before a message gets here; the command line keeps them.

        Raises:
            SyncError: the sync failed; states already yielded are acknowledged.
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
    """A sync with one thread that feeds messages and one that runs the coordinator.

    failures  exceptions of both threads, in order; complete once the output file is closed
    """

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self._inbox = Inbox()
        self._ended = threading.Event()

    def feed(self, messages: Iterable[AirbyteMessage]) -> None:
        """Post messages until none are left or the sync has ended."""
        try:
            for message in messages:
                self._inbox.wait_for_slot()
                if self._ended.is_set():
                    return
                self._inbox.post(Lines(orjson.dumps(AirbyteMessageSerializer.dump(message))))
        except Exception as error:  # noqa: BLE001 - the caller's own exception, re-raised by `write`
            self.failures.append(error)
        self._inbox.post(EndOfInput())

    def stop(self) -> None:
        """Stop the sync if the caller stopped iterating; no effect after its end."""
        self._inbox.post(Stop(signal.SIGTERM))

    def work(self, file: BinaryIO, config: Config, streams: Sequence[Stream]) -> None:
        """Run the coordinator; writes messages to `file` and closes it."""
        with contextlib.suppress(BrokenPipeError), file:
            try:
                prepare_sync(config, streams, self._inbox, Output(file)).run()
            except SyncError as error:
                self.failures.append(error)
            except Exception as error:  # noqa: BLE001 - re-raised by `write`, without its text
                self.failures.append(unexpected(error))
            finally:
                self._ended.set()
                self._inbox.open()
