"""The connector as a CDK `Destination`."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    ConnectorSpecificationSerializer,
    Status,
    Type,
)

from destination_customerio.cdk import DestinationCustomerIO
from destination_customerio.config.spec import specification
from destination_customerio.errors import ConfigError, TransientError
from integration_tests.connector import catalog_of, config_for, record, stream, stream_state
from tools.local_track_api import LocalTrackApi
from unit_tests.track_api.loopback import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PATIENCE_SECONDS = 60.0
LOGGER = logging.getLogger("airbyte")
CATALOG = ConfiguredAirbyteCatalogSerializer.load(catalog_of(stream("person_identify")))


@pytest.fixture
def api() -> Iterator[LocalTrackApi]:
    """A local Track API."""
    with LocalTrackApi() as server:
        yield server


def message(line: bytes) -> AirbyteMessage:
    """A line as a CDK message."""
    return AirbyteMessageSerializer.load(json.loads(line))


def write(config: dict[str, Any], messages: Iterable[AirbyteMessage]) -> Iterator[AirbyteMessage]:
    """The messages that `write` yields."""
    return iter(DestinationCustomerIO().write(config, CATALOG, messages))


ROW = record("person_identify", {"person_email": "a@b.c"})
STATE = stream_state("person_identify", 1)


def test_spec_equals_that_of_the_command_line() -> None:
    """The CDK's model drops nothing of the specification."""
    spec = DestinationCustomerIO().spec(LOGGER)
    assert ConnectorSpecificationSerializer.dump(spec) == specification()


def test_check_returns_a_status(api: LocalTrackApi) -> None:
    """A failure is a status with a message, not an exception."""
    destination = DestinationCustomerIO()
    assert destination.check(LOGGER, config_for(api.url)).status is Status.SUCCEEDED
    failed = destination.check(LOGGER, {})
    assert failed.status is Status.FAILED
    assert "credentials is missing" in (failed.message or "")


def test_discover_needs_a_valid_configuration(api: LocalTrackApi) -> None:
    """The catalog depends on the configured identifier."""
    destination = DestinationCustomerIO()
    catalog = destination.discover(config_for(api.url, identifierType="id"))
    assert "person_id" in catalog["operations"][0]["json_schema"]["properties"]
    with pytest.raises(ConfigError):
        destination.discover({})


def test_write_takes_messages_and_yields_states(api: LocalTrackApi) -> None:
    """It runs the same sync as the command line."""
    answers = list(write(config_for(api.url), [message(ROW), message(STATE)]))
    (state,) = (answer.state for answer in answers if answer.type is Type.STATE)
    assert state is not None
    assert state.destinationStats is not None
    assert state.destinationStats.recordCount == 1.0
    assert len(api.world.profiles()) == 1


def test_an_exception_of_the_input_is_raised_to_the_caller(api: LocalTrackApi) -> None:
    """Rows before it are still written."""

    def broken() -> Iterator[AirbyteMessage]:
        yield message(ROW)
        yield message(STATE)
        raise LookupError("the source broke")

    answers = write(config_for(api.url), broken())
    with pytest.raises(LookupError, match="the source broke"):
        list(answers)
    assert len(api.world.profiles()) == 1


def test_a_failed_sync_raises_its_error(api: LocalTrackApi) -> None:
    """The error's type says whether a retry can help."""
    api.inject({"status": 503})
    with pytest.raises(TransientError):
        list(write(config_for(api.url, retry_timeout_seconds=1), [message(ROW), message(STATE)]))


class EndlessRows:
    """An endless input; `released` is set once it is closed."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __iter__(self) -> Iterator[AirbyteMessage]:
        """Yield rows forever."""
        try:
            while True:
                yield message(ROW)
        finally:
            self.released.set()


def test_the_sync_ends_when_the_caller_stops_iterating(api: LocalTrackApi) -> None:
    """It takes no further message."""
    rows = EndlessRows()
    answers = write(config_for(api.url), rows)
    assert next(answers).type is Type.LOG
    answers.close()  # type: ignore[attr-defined]
    assert rows.released.wait(PATIENCE_SECONDS)


def test_a_failed_sync_takes_no_further_message(api: LocalTrackApi) -> None:
    """It closes the input whether it fails before its first row or later."""
    rows = EndlessRows()
    with pytest.raises(ConfigError, match="site"):
        list(write(config_for(api.url, credentials={"siteId": "wrong", "apiKey": "wrong"}), rows))
    assert rows.released.wait(PATIENCE_SECONDS)

    api.inject({"path": "batch", "status": 401})
    rows = EndlessRows()
    with pytest.raises(ConfigError, match="site"):
        list(write(config_for(api.url), rows))
    assert rows.released.wait(PATIENCE_SECONDS)


def test_no_library_logs_what_a_server_quotes(caplog: pytest.LogCaptureFixture) -> None:
    """Such as a header that can't be read, which urllib3 logs as a warning."""
    quoting = Reply(b"HTTP/1.1 401 No\r\nc4nary was refused\r\nContent-Length: 0\r\n\r\n")
    destination = DestinationCustomerIO()
    with Server(lambda _: quoting) as server, caplog.at_level(logging.DEBUG):
        status = destination.check(LOGGER, config_for(server.url))
    assert status.status is Status.FAILED
    assert "c4nary" not in caplog.text + str(status.message)
