"""`check`: tests the credentials, the region and the bucket."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from destination_customerio.config.storage import S3Storage
from destination_customerio.dead_letters.check import check_storage
from destination_customerio.sync.wiring import check_limits
from destination_customerio.temporary_files import check_temporary_files
from destination_customerio.track_api.region import resolve_track_url

if TYPE_CHECKING:
    from destination_customerio.config.model import Config


def check_connection(config: Config) -> None:
    """Test this machine's limits, look up the account's region, and test the bucket and temporary files if one is configured.

    Raises:
        SyncError: one of them does not work; the message says what to do.
    """
    check_limits(config)
    resolve_track_url(config, time.sleep, time.time)
    if isinstance(config.object_storage_config, S3Storage):
        check_temporary_files()
        check_storage(config.object_storage_config)
