"""The machine's AWS profile decides about credentials, and about nothing else: not about stdin, and not about the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from integration_tests.connector import catalog_of, config_for, record, run_connector, stream
from unit_tests.track_api.loopback import Server, http

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

PROFILE = """[default]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = b
[profile b]
aws_access_key_id = A
aws_secret_access_key = B
"""
REFUSAL = (
    b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>secret words</Message></Error></ErrorResponse>"
)


def test_no_row_is_taken_for_the_code_of_an_mfa_device(
    api: LocalTrackApi, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """boto3 would ask for it on stdin, and send AWS the line that it gets."""
    profile = tmp_path / "config"
    profile.write_text(PROFILE.replace("[profile", "mfa_serial = arn:aws:iam::123456789012:mfa/x\n[profile"))
    config = config_for(api.url, object_storage_config=bucket.config(access_key_id="", secret_access_key=""))
    with Server(lambda _: http(403, REFUSAL, "close", Connection="close")) as sts:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        rows = [record("users", {"person_email": "ada@example.com"})]
        done = run_connector("write", config, catalog_of(stream("users", "person_identify")), rows)
        assert not sts.requests
    assert "asks for a code of an MFA device" in done.failure("config_error")


def test_a_refused_role_leaves_no_traceback_in_the_log(
    api: LocalTrackApi, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error says what failed; the server's own words may quote anything."""
    profile = tmp_path / "config"
    profile.write_text(PROFILE)
    config = config_for(api.url, object_storage_config=bucket.config(access_key_id="", secret_access_key=""))
    with Server(lambda _: http(403, REFUSAL, "close", Connection="close")) as sts:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        done = run_connector("write", config, catalog_of(stream("users", "person_identify")))
    assert "could not be assumed" in done.failure("config_error")
    assert not [log for log in done.logs if "Traceback" in log or "secret words" in log]
