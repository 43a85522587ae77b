"""How a delivery fails, in sentences for the person who must act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.errors import ConfigError, Rejection, SyncError, TransientError
from destination_customerio.foreign_text import known_words
from destination_customerio.track_api.failures import Ending, failure
from destination_customerio.track_api.verdict import Refused, Retry
from destination_customerio.wording import counted

if TYPE_CHECKING:
    from destination_customerio.delivery.breaker import CircuitBreaker

# The reason of a row that something between Airbyte and Customer.io forbids.
BLOCKED = "blocked"


def blocked_by_proxy() -> Refused:
    """The verdict on a row that a firewall or proxy forbids, while it lets other requests through."""
    return Refused(
        Rejection(
            BLOCKED,
            "",
            "A firewall or proxy between Airbyte and Customer.io blocks requests that contain this row (HTTP 403 in a form "
            "that Customer.io does not use), and lets others through. Customer.io has not seen the row. Allow requests to "
            "Customer.io in the firewall or proxy, then replay the row.",
        )
    )


def endpoint_refused(rejection: Rejection, column: str) -> Rejection:
    """The verdict on each row of a request that is refused because of the value of a column, and not because of the row."""
    return Rejection(
        rejection.reason,
        column,
        f"Customer.io refuses all requests with this {column}, whatever the person. It must be the id of a manual segment that "
        f"exists in the workspace: create the segment, or correct {column}, then replay the row. Customer.io's answer: "
        f"{rejection.message}",
    )


def retries_exhausted(verdict: Retry, attempts: int, budget_seconds: float) -> TransientError:
    """The error for a request that was never answered well within its budget."""
    asked = f", with a Retry-After of {verdict.at_least_seconds:.0f} s" if verdict.at_least_seconds else ""
    return TransientError(
        f"Customer.io did not accept a request after {counted(attempts, 'attempt')} (retry budget: {budget_seconds:.0f} "
        f"s; last failure: {verdict.reason}{asked}). Delivered rows are kept; the next attempt resumes from the last checkpoint. "
        "Check Customer.io's status page, and that nothing between Airbyte and Customer.io breaks connections or answers in its "
        "place."
    )


def answered_wrongly(ending: Ending) -> SyncError:
    """The error for an answer that ends the sync."""
    outcome = "The rows of this request count as not delivered and will be sent again."
    return failure(ending, outcome)


def account_refused(breaker: CircuitBreaker, rejection: Rejection) -> ConfigError:
    """The error for a breaker that has tripped, by what the last batch was refused for."""
    if breaker.rejected_rows:
        outcome = (
            f"{counted(breaker.rejected_rows, 'row')} of the first of these batches had been rejected before this was clear; "
            "the other rows were neither delivered nor rejected, and will be sent again by the next attempt."
        )
    else:
        outcome = "The rows of these batches were neither delivered nor rejected, and will be sent again by the next attempt."
    batches = counted(breaker.refused_batches, "whole batch", "whole batches")
    seen = f"{batches} with {counted(breaker.refused_rows, 'row')} were split down to single rows"
    if rejection.reason == BLOCKED:
        return ConfigError(
            f"A firewall or proxy between Airbyte and Customer.io blocks every request that contains rows (HTTP 403 in a form "
            f"that Customer.io does not use): {seen}, and each was blocked. So the problem is the firewall or proxy, not the "
            f"rows. {outcome} Allow requests from Airbyte to track.customer.io and track-eu.customer.io in the firewall or proxy."
        )
    return ConfigError(
        f"Customer.io refuses every request and accepts no row at all: {seen}, and each was refused without naming a "
        f"row or a field. So the problem is the account or the configuration, not the rows. {outcome} Check the workspace in "
        f"Customer.io, and the configuration. Customer.io's answer: {known_words(rejection.message)}"
    )
