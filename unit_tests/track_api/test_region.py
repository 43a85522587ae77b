"""The account's region is looked up before any row is sent, and every failure says what to do."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL, Config
from destination_customerio.errors import ConfigError, ProtocolError, SyncError, TransientError
from destination_customerio.track_api.credentials import bad_credentials
from destination_customerio.track_api.region import read_timeout_seconds, resolve_track_url
from unit_tests.track_api.loopback import Reply, Request, Server, http

if TYPE_CHECKING:
    from collections.abc import Callable

    Internet = Callable[[Callable[[Request], Reply]], Server]

pytestmark = pytest.mark.usefixtures("plain_environment")

NOW = 1_767_225_599.0  # 2025-12-31T23:59:59Z


def config(**settings: Any) -> Config:
    """A configuration whose credentials must not appear in any message."""
    return Config.model_validate({"credentials": {"siteId": "s1te", "apiKey": "s3cr3t"}, **settings})


def answer(region: Any, **more: Any) -> Reply:
    """The Track API's answer to the request for the region."""
    return http(200, json.dumps({"region": region, "environment_id": 3, **more}).encode())


def resolve(config: Config, waits: list[float] | None = None) -> str:
    """The base URL for all batches; pauses are recorded, not made."""
    return resolve_track_url(config, (waits if waits is not None else []).append, lambda: NOW)


def failure(config: Config, waits: list[float] | None = None) -> SyncError:
    """The error that ends the command, which never contains a credential."""
    with pytest.raises(SyncError) as caught:
        resolve(config, waits)
    assert "s1te" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("region", "url"), [("us", US_TRACK_URL), ("eu", EU_TRACK_URL)])
def test_auto_uses_the_accounts_own_host(internet: Internet, region: str, url: str) -> None:
    """The US host is asked without any row, and all rows then go to the account's region."""
    server = internet(lambda _: answer(region, url=url))
    assert resolve(config()) == url
    assert [request.host for request in server.requests if request.method == "GET"] == [
        "track.customer.io:443"
    ]


@pytest.mark.parametrize(("region", "url"), [("us", US_TRACK_URL), ("eu", EU_TRACK_URL)])
def test_a_configured_region_is_asked_at_its_own_host(internet: Internet, region: str, url: str) -> None:
    """No request goes to the other region."""
    server = internet(lambda _: answer(region, url=url))
    assert resolve(config(region=region)) == url
    (lookup,) = (request for request in server.requests if request.method == "GET")
    assert f"https://{lookup.host}" == f"{url}:443"


@pytest.mark.parametrize(("wrong", "right"), [("us", "eu"), ("eu", "us")])
def test_a_region_other_than_the_accounts_is_an_error(internet: Internet, wrong: str, right: str) -> None:
    """Data never goes to a region that the user did not choose, and the message says which one to set."""
    internet(lambda _: answer(right))
    error = failure(config(region=wrong))
    assert isinstance(error, ConfigError)
    assert f"Set Region (region) to {right} or auto" in str(error)


def test_a_redirect_to_the_accounts_host_is_followed(internet: Internet) -> None:
    """The US host redirects EU accounts."""

    def respond(request: Request) -> Reply:
        if request.host.startswith("track.customer.io"):
            return http(307, Location=f"{EU_TRACK_URL}{request.path}")
        return answer("eu")

    internet(respond)
    assert resolve(config()) == EU_TRACK_URL


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://elsewhere.example.com", US_TRACK_URL, 7])
def test_an_answer_with_a_host_of_another_region_is_refused(internet: Internet, url: Any) -> None:
    """Credentials and rows only go to the known host of the region, whatever an answer says."""
    internet(lambda _: answer("eu", url=url))
    assert isinstance(failure(config()), ProtocolError)


def test_an_answer_without_a_host_is_accepted(internet: Internet) -> None:
    """Each region has one host, so the answer need not name it."""
    internet(lambda _: answer("eu", url=None))
    assert resolve(config()) == EU_TRACK_URL


@pytest.mark.parametrize(("region", "url"), [("us", US_TRACK_URL), ("eu", EU_TRACK_URL)])
@pytest.mark.parametrize("members", [{}, {"region": None}, {"data_center": "any"}])
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_older_answer_names_only_the_host(
    internet: Internet, region: str, url: str, members: dict[str, Any], slash: str
) -> None:
    """Each host belongs to one region, so an answer with `url` and no `region` is enough."""
    internet(lambda _: http(200, json.dumps({"url": url + slash, **members}).encode()))
    assert resolve(config()) == url
    assert resolve(config(region=region)) == url
    other = {"us": "eu", "eu": "us"}[region]
    assert f"Set Region (region) to {region} or auto" in str(failure(config(region=other)))


def test_refused_credentials_hint_at_a_region_that_was_set(internet: Internet) -> None:
    """The host of one region refuses the right keys of an account of the other."""
    internet(lambda _: http(401))
    assert "set Region (region) to auto" in str(failure(config(region="eu")))
    assert "set Region (region) to auto" not in str(failure(config()))


def test_a_configured_track_api_url_is_used_for_all_requests() -> None:
    """A test server may report any region, and still receives the rows."""
    with Server(lambda _: answer("eu", url=EU_TRACK_URL)) as server:
        assert resolve(config(track_api_url=server.url)) == server.url
        assert resolve(config(track_api_url=server.url, region="eu")) == server.url
        assert isinstance(failure(config(track_api_url=server.url, region="us")), ConfigError)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_say_where_to_find_the_right_ones(status: int) -> None:
    """The command fails without a retry, since the same keys would be refused again."""
    waits: list[float] = []
    with Server(lambda _: http(status, b'{"meta":{"error":"unauthorized"}}')) as server:
        error = failure(config(track_api_url=server.url), waits)
    assert isinstance(error, ConfigError)
    assert str(error) == str(bad_credentials())
    assert all(
        word in str(error) for word in ("credentials.siteId", "credentials.apiKey", "Account Settings")
    )
    assert len(server.requests) == 1
    assert waits == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failing_server_is_asked_three_times(status: int) -> None:
    """After that, the transient error asks the platform to retry later."""
    waits: list[float] = []
    with Server(lambda _: http(status)) as server:
        error = failure(config(track_api_url=server.url), waits)
    assert isinstance(error, TransientError)
    assert server.url in str(error)
    assert f"HTTP {status}" in str(error)
    assert len(server.requests) == 3
    assert waits == [1.0, 3.0]


def test_a_temporary_failure_is_retried() -> None:
    """The pause is the one that the server asks for, up to ten seconds."""
    waits: list[float] = []
    replies = iter([http(503, Retry_After="7"), http(429, Retry_After="86400"), answer("us")])
    with Server(lambda _: next(replies)) as server:
        assert resolve(config(track_api_url=server.url), waits) == server.url
    assert waits == [7.0, 10.0]


def test_no_pause_exceeds_the_retry_budget() -> None:
    """Even a retry budget of a second or two is respected."""
    waits: list[float] = []
    with Server(lambda _: http(503)) as server:
        failure(config(track_api_url=server.url, retry_timeout_seconds=1), waits)
        failure(config(track_api_url=server.url, retry_timeout_seconds=3), waits)
    assert waits == [1.0]


def test_an_unreachable_host_says_what_to_check() -> None:
    """The message suggests the firewall, the proxy and DNS."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = failure(config(track_api_url=url))
    assert isinstance(error, TransientError)
    assert url in str(error)
    assert "firewall, proxy, DNS" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"region":null}',
        b'{"region":"asia"}',
        b'{"region":["us"]}',
        b'{"region":{"us":1}}',
        b'{"region":1}',
        b'{"data_center":"us"}',
        b'{"url":"https://track.example.com","data_center":"us"}',
        b'{"url":"https://track.customer.io.example.com"}',
        b'{"url":["https://track.customer.io"]}',
        b'{"url":"https://track.customer.io","region":"asia"}',
    ],
)
def test_an_answer_without_a_known_region_is_refused(body: bytes) -> None:
    """Guessing a region could send personal data to the wrong continent."""
    with Server(lambda _: http(200, body)) as server:
        error = failure(config(track_api_url=server.url))
    assert isinstance(error, ProtocolError)
    assert server.url in str(error)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b'"us"', b"\xff"])
def test_an_unreadable_answer_is_retried(body: bytes) -> None:
    """A broken body may be complete the next time."""
    replies = iter([http(200, body), answer("us")])
    with Server(lambda _: next(replies)) as server:
        assert resolve(config(track_api_url=server.url)) == server.url
    with Server(lambda _: http(200, body)) as server:
        assert isinstance(failure(config(track_api_url=server.url)), TransientError)


@pytest.mark.parametrize("status", [201, 204, 206, 226, 400, 409, 413, 418, 422])
def test_an_unexpected_status_is_refused(status: int) -> None:
    """The URL is probably wrong, or a proxy answered."""
    body = b"" if status == 204 else b'{"region":"us"}'
    with Server(lambda _: http(status, body)) as server:
        error = failure(config(track_api_url=server.url))
    assert isinstance(error, ProtocolError)
    assert "track_api_url" in str(error)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (http(200, b'{"region":"us","error":"x"}'), "does not count as success"),
        (http(202, b'{"region":"us"}'), "HTTP 202"),
        (http(404), "Correct the Track API URL (track_api_url)"),
        (http(405), "no Track API at this address"),
        (http(410), "no Track API at this address"),
        (http(407), "asks for a login of its own (HTTP 407)"),
        (http(401, b"<html>Sign in</html>"), "asks for a login of its own (HTTP 401)"),
        (http(403, b"<html>Blocked</html>"), "A firewall or proxy between Airbyte and Customer.io blocks"),
        (http(418), "HTTP 418"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_answer_that_may_be_somebody_elses_is_asked_for_again(reply: Reply, words: str) -> None:
    """A proxy may have answered once; if it goes on, the message says so."""
    waits: list[float] = []
    with Server(lambda _: reply) as server:
        error = failure(config(track_api_url=server.url), waits)
    assert words in str(error)
    assert "Nothing was written." in str(error)
    assert waits == [1.0, 3.0]
    replies = iter([reply, reply, answer("us")])
    with Server(lambda _: next(replies)) as server:
        assert resolve(config(track_api_url=server.url)) == server.url


def test_a_required_payment_is_a_configuration_error() -> None:
    """With the server's words, at once."""
    waits: list[float] = []
    with Server(lambda _: http(402, b'{"meta":{"error":"payment overdue"}}')) as server:
        error = failure(config(track_api_url=server.url), waits)
    assert isinstance(error, ConfigError)
    assert "billing" in str(error)
    assert waits == []


def test_a_success_that_says_unauthorized_is_about_the_credentials() -> None:
    """As its status would say."""
    with Server(lambda _: http(200, b'{"meta":{"error":"Unauthorized request"}}')) as server:
        assert str(failure(config(track_api_url=server.url))) == str(bad_credentials())


def test_a_redirect_elsewhere_is_a_configuration_error() -> None:
    """A captive portal or a misconfigured proxy receives no credentials, and may be gone at the next attempt."""
    with Server(lambda _: http(302, Location="http://127.0.0.1:1/login")) as server:
        error = failure(config(track_api_url=server.url))
    assert isinstance(error, ConfigError)
    assert "redirect that can't be followed (HTTP 302)" in str(error)
    assert len(server.requests) == 3


@pytest.mark.parametrize("location", ["", f"{US_TRACK_URL}/", "http://track.customer.io/"])
def test_a_redirect_by_customer_ios_host_is_not_said_to_lead_to_another(
    internet: Internet, location: str
) -> None:
    """It leads nowhere, in a circle, or away from HTTPS; the message is true of each."""
    internet(lambda _: http(307, Location=location))
    error = failure(config())
    assert isinstance(error, ConfigError)
    assert "it leads in a circle, or not to an HTTPS address of Customer.io's" in str(error)


def test_the_read_timeout_does_not_exceed_the_retry_budget() -> None:
    """A small retry budget shortens the timeout."""
    assert read_timeout_seconds(config(retry_timeout_seconds=2)) == 2
    assert read_timeout_seconds(config()) == 30
