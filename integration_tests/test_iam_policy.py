"""The least rights that the page of the documentation names are enough, and none of them is too many.

moto's access control looks at users, actions and resources, as AWS does; what AWS looks at besides (KMS, bucket
policies, conditions) can't be tried here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests

from integration_tests.command_line import run_command
from integration_tests.connector import catalog_of, config_for, record, run_connector, stream, stream_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from integration_tests.buckets import Bucket
    from tools.local_track_api import LocalTrackApi

PAGE = Path(__file__).parent.parent / "docs" / "integrations" / "destinations" / "customerio.md"
(POLICY,) = re.findall(r"```json\n(\{\s+\"Version\".*?)\n```", PAGE.read_text(), re.DOTALL)
# The step of the check that each right is for.
STEPS = {
    "s3:PutObject": "write",
    "s3:ListBucket": "list",
    "s3:GetObject": "read back",
    "s3:DeleteObject": "delete",
}


def policy_for(bucket: Bucket, without: str | None = None) -> str:
    """The policy of the page, for this bucket; `without` takes one right out of it."""
    policy: dict[str, Any] = json.loads(POLICY.replace("my-bucket", bucket.name))
    for statement in policy["Statement"]:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        statement["Action"] = [action for action in actions if action != without]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    return json.dumps(policy)


@pytest.fixture
def user(bucket: Bucket) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Gives a user the policy, and that user's storage configuration; from then on the local AWS forbids the rest."""
    iam = boto3.client(
        "iam",
        region_name="us-east-1",
        endpoint_url=bucket.endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    iam.create_user(UserName="rejected")
    key = iam.create_access_key(UserName="rejected")["AccessKey"]

    def allow(policy: str) -> dict[str, Any]:
        iam.put_user_policy(UserName="rejected", PolicyName="least", PolicyDocument=policy)
        enforce("0")
        return bucket.config(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])

    def enforce(after: str) -> None:
        requests.post(f"{bucket.endpoint}/moto-api/reset-auth", data=after, timeout=10).raise_for_status()

    yield allow
    enforce("inf")
    iam.delete_user_policy(UserName="rejected", PolicyName="least")
    iam.delete_access_key(UserName="rejected", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="rejected")
    iam.close()


def test_the_documented_rights_are_enough(
    api: LocalTrackApi, user: Callable[[str], dict[str, Any]], bucket: Bucket
) -> None:
    """For the check, and for a sync with rejected rows."""
    config = config_for(api.url, object_storage_config=user(policy_for(bucket)))
    checked = run_connector("check", config)
    assert checked.of_type("CONNECTION_STATUS") == [{"status": "SUCCEEDED"}]
    catalog = catalog_of(stream("users", "person_identify"))
    lines = [record("users", {"person_email": None}), stream_state("users", 1)]
    done = run_connector("write", config, catalog, lines)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.states[0]["destinationStats"]["rejectedRecordCount"] == 1.0


def test_the_documented_rights_are_enough_to_replay(
    api: LocalTrackApi, user: Callable[[str], dict[str, Any]], bucket: Bucket
) -> None:
    """And to look at what was rejected."""
    config = config_for(api.url, object_storage_config=user(policy_for(bucket)))
    catalog = catalog_of(stream("users", "person_identify"))
    run_connector("write", config, catalog, [record("users", {"person_email": None, "person_id": "u1"})])
    assert "1 rejected row in 1 file." in run_command("rejected", config).stdout
    done = run_command("replay", config | {"identifierType": "id"}, catalog)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 row accepted, 0 rejected again. Done." in done.stdout


def test_the_rights_are_named_by_the_step_that_needs_them() -> None:
    """The page names these four and no others, so that the next test leaves none out."""
    named = {right for s in json.loads(POLICY)["Statement"] for right in re.findall(r"s3:\w+", str(s))}
    assert named == set(STEPS)


@pytest.mark.parametrize("right", STEPS)
def test_none_of_the_documented_rights_is_too_many(
    api: LocalTrackApi, user: Callable[[str], dict[str, Any]], bucket: Bucket, right: str
) -> None:
    """Without it the check fails, and says at which step."""
    config = config_for(api.url, object_storage_config=user(policy_for(bucket, without=right)))
    (status,) = run_connector("check", config).of_type("CONNECTION_STATUS")
    assert status["status"] == "FAILED"
    assert f"failed at the step {STEPS[right]}: access to the bucket" in status["message"]
