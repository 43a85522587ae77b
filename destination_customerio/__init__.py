"""Airbyte destination for Customer.io."""

from importlib.metadata import version

__version__ = version("airbyte-destination-customerio")
