"""The sentence for each answer that ends a command, for batches and for the region alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

from destination_customerio.errors import ConfigError, ProtocolError
from destination_customerio.foreign_text import known_words
from destination_customerio.track_api.credentials import bad_credentials
from destination_customerio.track_api.verdict import Blocked, Doubt, Doubtful, PaymentRequired, Unauthorized

if TYPE_CHECKING:
    from destination_customerio.errors import SyncError

# How often a request is sent while the answer may be somebody else's, or nobody's who will answer the next time.
FEW_ATTEMPTS = 4

Ending: TypeAlias = Unauthorized | PaymentRequired | Blocked | Doubtful

_OWN_HOSTS = "track.customer.io and track-eu.customer.io"
_CHECK_THE_WAY = (
    "Check the proxy between Airbyte and Customer.io, and the Track API URL (track_api_url) if one is set."
)


def failure(ending: Ending, outcome: str, region: str = "auto") -> SyncError:
    """The error for an answer that no further attempt will change.

    Args:
        ending: the verdict on the answer
        outcome: a sentence about the rows
        region: the configured one, if that region's host was asked
    """
    match ending:
        case Unauthorized():
            return bad_credentials(region)
        case PaymentRequired(words):
            return ConfigError(
                f"Customer.io does not accept requests of this account until a payment is made (HTTP 402). {outcome} Check the "
                f"billing of the account in Customer.io.{_quoted(known_words(words))}"
            )
        case Blocked():
            return ConfigError(
                "A firewall or proxy between Airbyte and Customer.io blocks every request (HTTP 403 in a form that "
                f"Customer.io does not use). {outcome} Allow requests from Airbyte to {_OWN_HOSTS} in the firewall or proxy. "
                "The Site ID and the API Key are unlikely to be the cause."
            )
        case Doubtful(doubt, status, words):
            return _failure_of_doubt(doubt, status, outcome, _quoted(known_words(words)))
        case _:
            assert_never(ending)


def _failure_of_doubt(doubt: Doubt, status: int, outcome: str, quoted: str) -> SyncError:
    match doubt:
        case Doubt.NO_SUCCESS:
            return ProtocolError(
                f"Unexpected answer (HTTP {status}): the Track API reports success with 200 or 207 only, so this does not count "
                f"as success; a proxy or gateway may be answering in its place. {outcome} {_CHECK_THE_WAY}{quoted}"
            )
        case Doubt.ERROR_IN_SUCCESS:
            return ProtocolError(
                f"The answer reports success (HTTP {status}) and an error at once, so it does not count as success. {outcome} "
                f"Check the workspace in Customer.io. {_CHECK_THE_WAY}{quoted}"
            )
        case Doubt.WRONG_ADDRESS:
            return ConfigError(
                f"There is no Track API at this address (HTTP {status}). {outcome} Correct the Track API URL (track_api_url) if "
                "one is set; otherwise check the proxy between Airbyte and Customer.io, which may change addresses."
                f"{quoted}"
            )
        case Doubt.PROXY_LOGIN:
            return ConfigError(
                f"A proxy between Airbyte and Customer.io asks for a login of its own (HTTP {status}). {outcome} Set the "
                f"proxy's user and password where Airbyte sets the proxy (HTTPS_PROXY), or let the proxy pass requests to "
                f"{_OWN_HOSTS}. The Site ID and the API Key are not the cause."
            )
        case Doubt.REDIRECT:
            return ConfigError(
                f"The Track API answered with a redirect that can't be followed (HTTP {status}): it leads in a circle, or not to "
                f"an HTTPS address of Customer.io's; credentials are sent nowhere else. {outcome} {_CHECK_THE_WAY}"
            )
        case Doubt.UNKNOWN_STATUS:
            return ProtocolError(
                f"Unexpected answer from the Track API (HTTP {status}). {outcome} {_CHECK_THE_WAY}{quoted}"
            )
        case _:
            assert_never(doubt)


def _quoted(words: str) -> str:
    return f" The answer says: {words}" if words else ""
