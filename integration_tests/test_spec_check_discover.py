"""The three commands that write nothing: what they answer, and what they say when something is wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from destination_customerio import __version__
from integration_tests.connector import SCRIPT, catalog_of, config_for, run_connector, stream
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration_tests.buckets import Bucket

GOLDEN = Path(__file__).parent.parent / "unit_tests" / "golden"


@pytest.fixture(scope="module")
def api() -> Iterator[LocalTrackApi]:
    """A local Track API of an EU account."""
    with LocalTrackApi(region="eu") as server:
        yield server


def check(config: dict[str, Any], environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run `check`; it always exits with 0, answers once, and traces nothing."""
    done = run_connector("check", config, environment=environment)
    assert (done.exit_code, done.errors, done.stderr) == (0, [], "")
    (status,) = done.of_type("CONNECTION_STATUS")
    return status


def failure(config: dict[str, Any], environment: dict[str, str] | None = None) -> str:
    """What a `check` that has to fail says; never a secret."""
    status = check(config, environment)
    assert status["status"] == "FAILED"
    message: str = status["message"]
    for secret in ("wr0ng-key", "integration-test-secret", "never+shown"):
        assert secret not in message
    return message


def test_spec_is_the_golden_one() -> None:
    """Byte for byte what the unit test knows, as one message, and nothing else."""
    done = run_connector("spec")
    assert (done.exit_code, done.stderr, len(done.lines)) == (0, "", 1)
    golden = json.loads((GOLDEN / "spec.json").read_text())
    assert done.of_type("SPEC") == [golden]


def test_discover_follows_the_identifier() -> None:
    """Without a request: the address leads nowhere."""
    done = run_connector("discover", config_for("http://127.0.0.1:1", identifierType="phone"))
    assert (done.exit_code, done.stderr, len(done.lines)) == (0, "", 1)
    golden = json.loads((GOLDEN / "discover_phone.json").read_text())
    assert done.of_type("DESTINATION_CATALOG") == [golden]


def test_discover_with_a_wrong_configuration_traces_a_config_error() -> None:
    """There is no status message for it to answer with."""
    done = run_connector("discover", {"credentials": {}})
    assert (done.exit_code, done.error["failure_type"]) == (1, "config_error")
    assert "credentials.siteId is missing" in done.error["message"]


def test_check_proves_credentials_region_and_bucket(api: LocalTrackApi, bucket: Bucket) -> None:
    """All that a sync needs, and it leaves nothing behind."""
    config = config_for(api.url, region="eu", object_storage_config=bucket.config())
    assert check(config) == {"status": "SUCCEEDED"}
    assert bucket.keys() == []


def test_check_says_where_the_right_keys_are(api: LocalTrackApi) -> None:
    """Both keys are named by where to find them."""
    message = failure({**config_for(api.url), "credentials": {"siteId": "site", "apiKey": "wr0ng-key"}})
    assert "credentials.siteId" in message
    assert "credentials.apiKey" in message
    assert "Tracking API Keys" in message


def test_check_says_which_region_the_account_is_in(api: LocalTrackApi) -> None:
    """And which key of the configuration to change."""
    message = failure(config_for(api.url, region="us"))
    assert "this Customer.io account is in the region EU" in message
    assert "Region (region)" in message


def test_check_names_keys_without_effect(api: LocalTrackApi) -> None:
    """The check still succeeds, as a configuration may be from another version."""
    done = run_connector("check", config_for(api.url, identifiertype="id"))
    assert [status["status"] for status in done.of_type("CONNECTION_STATUS")] == ["SUCCEEDED"]
    assert "identifiertype (perhaps identifierType)" in "".join(done.logs)


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_a_misspelled_key_is_named_before_the_error_that_it_causes(arguments: tuple[str, ...]) -> None:
    """Here deletions seem to be allowed; the command ends before any request."""
    config = config_for("http://127.0.0.1:1", allow_destructive_operation=True)
    catalog = catalog_of(stream("users", "person_delete", destination_sync_mode="soft_delete"))
    done = run_connector("write", config, catalog, arguments=arguments)
    assert "allow_destructive_operations" in done.failure("config_error")
    assert "(perhaps allow_destructive_operations)" in "".join(done.logs)


def test_check_refuses_what_airbyte_cloud_does_not_allow(api: LocalTrackApi) -> None:
    """Another host than Customer.io's, when DEPLOYMENT_MODE says so."""
    message = failure(config_for(api.url), {"DEPLOYMENT_MODE": "CLOUD"})
    assert "track_api_url" in message


def test_check_answers_even_without_a_readable_configuration(tmp_path: Path) -> None:
    """A missing file is a failed check, and no crash."""
    path = tmp_path / "config.json"
    done = subprocess.run([SCRIPT, "check", "--config", path], capture_output=True, check=False)
    assert done.returncode == 0
    status = json.loads(done.stdout)["connectionStatus"]
    assert status["status"] == "FAILED"
    assert "--config" in status["message"]


def test_the_version_is_the_packages() -> None:
    """One source for all."""
    done = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=False)
    # argparse prints to what was stdout when it began, before stdout became the protocol's.
    assert (done.returncode, done.stdout.strip()) == (0, __version__)


def test_a_wrong_command_line_is_explained_on_stderr() -> None:
    """Stdout is for messages of the protocol alone."""
    done = subprocess.run([SCRIPT, "write"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--config" in done.stderr
