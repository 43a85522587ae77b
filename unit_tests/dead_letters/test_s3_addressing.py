"""Both styles of addresses: a store that only accepts the bucket's name in the host name gets it there."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest

from destination_customerio.dead_letters.s3_client import make_client
from destination_customerio.dead_letters.s3_errors import explain
from destination_customerio.dead_letters.s3_upload import upload
from destination_customerio.errors import ConfigError
from unit_tests.dead_letters import bucket_server
from unit_tests.dead_letters.bucket_server import BUCKET
from unit_tests.track_api.loopback import Reply, Request, Server, http

# No such host: the environment's proxy answers for it.
ENDPOINT = "http://store.example:9000"
PATH_STYLE = f"http://store.example:9000/{BUCKET}/"
VIRTUAL_STYLE = f"http://{BUCKET}.store.example:9000/"
CONTENT = b"a\n"
ETAG = f'"{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"'


pytestmark = pytest.mark.usefixtures("bare_machine")


class Store:
    """A store that refuses one style of addresses, or none, with this answer."""

    def __init__(self, refused: str = "", status: int = 403, error: str = "") -> None:
        self.refused = refused
        self.refusal = http(status, f"<Error>{error}</Error>".encode(), "close", Connection="close")
        self.urls: list[str] = []

    def __call__(self, request: Request) -> Reply:
        """The answer to a request."""
        self.urls.append(f"{request.method} {request.path}")
        if self.refused and request.path.startswith(self.refused):
            return self.refusal
        if request.method == "HEAD":
            return Reply(f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: {ETAG}\r\n\r\n".encode())
        return http(200, b"", ETag=ETAG)


def uploaded(store: Store, monkeypatch: pytest.MonkeyPatch, times: int = 1, **settings: Any) -> None:
    """Upload files to the store."""
    with Server(store) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("NO_PROXY", "")
        storage = bucket_server.storage(**{"endpoint": ENDPOINT, **settings})
        client = make_client(storage)
        try:
            for number in range(times):
                upload(client, storage, f"k{number}", io.BytesIO(CONTENT), "text/csv")
        except Exception as error:  # noqa: BLE001 - all of them must be explained
            raise explain(error, storage) from None
        finally:
            client.close()


def test_an_endpoint_gets_the_path_style_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most stores have no host name per bucket."""
    store = Store()
    uploaded(store, monkeypatch)
    assert store.urls == [f"PUT {PATH_STYLE}k0", f"HEAD {PATH_STYLE}k0"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, "<Code>SecondLevelDomainForbidden</Code><Message>Use another domain</Message>"),
        (405, "<Code>VirtualHostDomainRequired</Code>"),
        (403, "<Code>InvalidPathAccess</Code>"),
        (400, "<Code>InvalidRequest</Code><Message>Please use virtual-hosted style requests.</Message>"),
        (403, "<Code>AccessDenied</Code><Message>Path-style access is not allowed.</Message>"),
        (301, f"<Code>PermanentRedirect</Code><Endpoint>{BUCKET}.store.example</Endpoint>"),
    ],
)
def test_a_store_that_demands_the_virtual_style_gets_it(
    monkeypatch: pytest.MonkeyPatch, status: int, error: str
) -> None:
    """From the refused request on; it is not refused again."""
    store = Store(PATH_STYLE, status, error)
    uploaded(store, monkeypatch, times=2)
    # After a 301, botocore asks for the bucket's region.
    assert [url for url in store.urls if not url.endswith(("/", BUCKET))] == [
        f"PUT {PATH_STYLE}k0",
        f"PUT {VIRTUAL_STYLE}k0",
        f"HEAD {VIRTUAL_STYLE}k0",
        f"PUT {VIRTUAL_STYLE}k1",
        f"HEAD {VIRTUAL_STYLE}k1",
    ]


def test_any_other_refusal_does_not_change_the_style(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another address would only hide the reason."""
    store = Store(PATH_STYLE, 403, "<Code>AccessDenied</Code><Message>Access Denied</Message>")
    with pytest.raises(ConfigError, match="access to the bucket"):
        uploaded(store, monkeypatch)
    assert store.urls == [f"PUT {PATH_STYLE}k0"]


@pytest.mark.parametrize(("style", "address"), [("path", PATH_STYLE), ("virtual", VIRTUAL_STYLE)])
def test_a_configured_style_is_used_at_once(
    monkeypatch: pytest.MonkeyPatch, style: str, address: str
) -> None:
    """Also where the store would accept both."""
    store = Store()
    uploaded(store, monkeypatch, s3_addressing_style=style)
    assert store.urls == [f"PUT {address}k0", f"HEAD {address}k0"]


def test_a_demand_that_can_not_be_met_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """An IP address takes no name before it."""
    store = Store("http://192.0.2.1", 403, "<Code>SecondLevelDomainForbidden</Code>")
    with pytest.raises(ConfigError, match=r"only accepts virtual-hosted addresses.*not an IP address"):
        uploaded(store, monkeypatch, endpoint="http://192.0.2.1:9000")
    assert len(store.urls) == 1


def test_a_demand_that_is_repeated_ends_the_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes round in circles."""
    store = Store("http://", 403, "<Code>SecondLevelDomainForbidden</Code>")
    with pytest.raises(ConfigError, match="only accepts virtual-hosted addresses"):
        uploaded(store, monkeypatch)
    assert store.urls == [f"PUT {PATH_STYLE}k0", f"PUT {VIRTUAL_STYLE}k0"]


def test_an_endpoint_with_a_path_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the bucket moves into the host name."""
    store = Store("http://store.example/s3/", 403, "<Code>SecondLevelDomainForbidden</Code>")
    uploaded(store, monkeypatch, endpoint="http://store.example/s3/")
    assert store.urls[1] == f"PUT http://{BUCKET}.store.example/s3/k0"
