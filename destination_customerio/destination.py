"""The connector as the CDK knows it: spec, check, discover and write, with the CDK's messages in and out.

The CDK's own command loop is not used: it knows no `discover`, drops what it does not know of a state, logs the lines
that it can't decode, and does not flush. `run.py` is the command line; `write` here, for programs that bring messages,
feeds the same sync as the command line does.
"""

from __future__ import annotations

import contextlib
import os
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

from destination_customerio.catalog import parse_catalog
from destination_customerio.config_file import parse_config
from destination_customerio.connection_check import check_connection
from destination_customerio.errors import SyncError
from destination_customerio.identifiers import IDENTIFIER_KINDS
from destination_customerio.inbox import Inbox, start_reading
from destination_customerio.operations import destination_catalog
from destination_customerio.output import Output
from destination_customerio.spec import specification
from destination_customerio.sync import prepare_sync

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Iterator, Mapping


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
        rows_out, rows_in = os.pipe()
        answers_out, answers_in = os.pipe()
        failures: list[Exception] = []

        def feed(file: BinaryIO) -> None:
            for message in input_messages:
                file.write(orjson.dumps(AirbyteMessageSerializer.dump(message)) + b"\n")

        def work(file: BinaryIO) -> None:
            inbox = Inbox()
            pipeline = prepare_sync(checked, streams, inbox, Output(file))
            start_reading(rows_out, inbox)
            pipeline.run()

        for task, descriptor in ((feed, rows_in), (work, answers_in)):
            threading.Thread(target=_write_to, args=(descriptor, task, failures), daemon=True).start()
        with os.fdopen(answers_out, "rb") as answers:
            for line in answers:
                yield AirbyteMessageSerializer.load(orjson.loads(line))
        if failures:
            raise failures[0]


def _write_to(descriptor: int, task: Callable[[BinaryIO], None], failures: list[Exception]) -> None:
    """Run a thread's task; what it raises is raised again by whoever reads the pipe to its end."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as file:
        # Before the pipe is closed: its reader then finds the failure there.
        try:
            task(file)
        except Exception as error:  # noqa: BLE001 - see above
            failures.append(error)
