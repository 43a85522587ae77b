"""Takes the place of xmltodict in the image: importing the CDK imports it, and only sources that read XML call it."""

from __future__ import annotations

from typing import NoReturn


def parse(*_arguments: object, **_options: object) -> NoReturn:
    """Refuse.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError("The image contains no XML decoder, as a destination reads no XML.")
