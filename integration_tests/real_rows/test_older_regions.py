"""The account's region as older versions of the Track API answer it: by `url`, without `region`."""

from __future__ import annotations

import pytest

from integration_tests.connector import catalog_of, config_for, record, run_connector, stream, stream_state
from tools.local_track_api import LocalTrackApi

CATALOG = catalog_of(stream("users", "person_identify"))
LINES = [record("users", {"person_email": "ada@example.com"}), stream_state("users", 1)]


@pytest.mark.parametrize("region", ["us", "eu"])
def test_the_host_alone_names_the_region(region: str) -> None:
    """`check` succeeds, and rows are delivered, with the region set or looked up."""
    with LocalTrackApi(region=region, region_answer="older") as api:
        for setting in ("auto", region):
            config = config_for(api.url, region=setting)
            (status,) = run_connector("check", config).of_type("CONNECTION_STATUS")
            assert status == {"status": "SUCCEEDED"}
            done = run_connector("write", config, CATALOG, LINES)
            assert (done.exit_code, len(done.states)) == (0, 1)
        assert api.world.person(email="ada@example.com")


def test_another_region_than_the_hosts_is_still_an_error() -> None:
    """Rows never go to a region that was not chosen."""
    with LocalTrackApi(region="eu", region_answer="older") as api:
        done = run_connector("write", config_for(api.url, region="us"), CATALOG, LINES)
        assert "Set Region (region) to eu or auto" in done.failure("config_error")
        assert api.world.profiles() == []
