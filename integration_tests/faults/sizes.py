"""The two sizes of the fault suite: quick in `make test`, long in `make chaos`."""

from __future__ import annotations

import os

IS_LONG = os.environ.get("FAULT_SUITE") == "long"
