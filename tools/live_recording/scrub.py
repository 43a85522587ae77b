"""Removes from an exchange what is nobody else's business: credentials, addresses, and ids of the workspace.

Headers are never recorded, except Retry-After. The rows of the live test are made up and stay: the contract is about them.
"""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from tools.live_recording.exchange import Exchange

# Domains that belong to nobody (RFC 2606): the live test uses them.
_EMAIL = re.compile(r"[\w.+-]+@(?!example\.(?:com|org|net)(?![\w-]|\.\w))[\w-]+(?:\.[\w-]+)+")
_IP_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
# As in the answer to the question for the region.
_WORKSPACE_ID = re.compile(r'("(?:environment|workspace|account|project)_id"\s*:\s*)(?:\d+|"[^"]*")')


class Scrubber:
    """Knows the credentials, in every form in which a server could quote them."""

    def __init__(self, site_id: str, api_key: str) -> None:
        pair = base64.b64encode(f"{site_id}:{api_key}".encode()).decode()
        forms = {pair: "[credentials]"}
        for secret, name in ((site_id, "[site id]"), (api_key, "[api key]")):
            forms |= {secret: name, quote(secret, safe=""): name, secret.replace("/", r"\/"): name}
        # The longest first: one may be part of another.
        self._forms = sorted(forms.items(), key=lambda item: -len(item[0]))

    def __call__(self, exchange: Exchange) -> Exchange:
        """The exchange, scrubbed."""
        return replace(
            exchange,
            path=self._scrubbed(exchange.path),
            request=self._scrubbed(exchange.request),
            answer=self._scrubbed(exchange.answer),
            retry_after=exchange.retry_after and self._scrubbed(exchange.retry_after),
        )

    def _scrubbed(self, text: str) -> str:
        for form, name in self._forms:
            text = text.replace(form, name)
        text = _EMAIL.sub("[email]", text)
        text = _IP_ADDRESS.sub("[address]", text)
        return _WORKSPACE_ID.sub(r"\g<1>0", text)
