"""The error for credentials that Customer.io refuses (401, 403)."""

from __future__ import annotations

from destination_customerio.errors import ConfigError


def bad_credentials(region: str = "auto") -> ConfigError:
    """The error that ends the command; `region` is the configured one, if that region's host was asked."""
    other_region = (
        ""
        if region == "auto"
        else f" If they are right, the account may not be in the region {region.upper()}: set Region (region) to auto."
    )
    return ConfigError(
        "Customer.io does not accept the Site ID (credentials.siteId) and the API Key (credentials.apiKey). "
        "No row of the refused requests was delivered. In Customer.io, open Settings > Account Settings > API Credentials "
        "> Tracking API Keys, and copy the Site ID and the API Key of the same row (an App API key does not work here)."
        f"{other_region}"
    )
