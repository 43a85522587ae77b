"""Causes and remedies that are chosen by more than a code, and the type of all others.

What only a person can change (names, keys, permissions, addresses, certificates, settings of the machine) is a
config_error, so that the platform does not repeat it for ever; everything else is transient.
"""

from __future__ import annotations

from typing import NamedTuple

from destination_customerio.errors import ConfigError, SyncError, TransientError


class Explanation(NamedTuple):
    """What one kind of failure means.

    kind    the type of error to raise
    cause   half a sentence, with the placeholders below to fill in
    remedy  whole sentences: what to do

    Placeholders: {bucket}, {store} (the endpoint, or AWS), {plain} (the endpoint in plain HTTP), {server} (the endpoint
    without the bucket's name), {host} (the host of a failed request), {bundle} (the setting of the trusted
    certificates), {operation}, {code} and {status} of the answer, {error} (the exception's type), {os_error},
    {file} (one that is missing or broken), {setting} (what is wrong with a setting), {settings} (the names of those that this
    machine has for AWS, in a sentence), {profile_variable} (the variable that names the AWS profile), {token_variable} (the
    variable that has the session token).
    """

    kind: type[SyncError]
    cause: str
    remedy: str


BUSY = Explanation(
    TransientError,
    "the store throttles requests",
    "Try again later; if it persists, use another bucket or path.",
)
DENIED = Explanation(
    ConfigError,
    "access to the bucket {bucket} was denied ({operation})",
    "Allow the credentials s3:PutObject, s3:ListBucket, s3:GetObject and s3:DeleteObject on the bucket and the "
    "bucket path, and the use of its KMS key if it has one.",
)
EXPIRED = Explanation(
    TransientError,
    "the credentials expired",
    "Try again; if it persists, renew the credentials of the machine that runs the connector.",
)
EXPIRED_FOR_GOOD = Explanation(
    ConfigError,
    "the credentials of this machine expired, and nothing renews them ({token_variable} is set)",
    "Set new ones, or let the machine renew them: give it a role, or configure an access key for the bucket.",
)
ROLE_NOT_ASSUMED = Explanation(
    ConfigError,
    "the configured role could not be assumed (AWS answered {code})",
    "Check the role ARN, and that the role trusts the connector's own AWS credentials and its external ID.",
)
WEB_IDENTITY_REFUSED = Explanation(
    ConfigError,
    "the role of this machine could not be assumed with its web identity token (AWS answered {code})",
    "Check AWS_ROLE_ARN, or the role of the AWS profile, and that the role trusts the identity provider that issued the token (in "
    "Kubernetes, the cluster's, for the connector's service account).",
)
STS_FAILED = Explanation(
    TransientError,
    "AWS could not issue credentials (it answered {code} with status {status}, {operation})",
    "Try again later.",
)
NOT_S3 = Explanation(
    ConfigError,
    "{store} answered with status {status}, but not as an S3 store does ({operation})",
    "Check that the endpoint is the address of the store's S3 API, not of its web console, that the port and the "
    "scheme (http or https) are right, and that no proxy or firewall answers in its place.",
)
REDIRECTED = Explanation(
    ConfigError,
    "{store} redirects to another address (status {status})",
    "Enter the address that it redirects to as the endpoint; often this is the same one with https://.",
)
BUCKET_IN_ENDPOINT = Explanation(
    ConfigError,
    "the endpoint {store} already contains the name of the bucket {bucket}",
    "Enter the address of the store alone: {server}.",
)
HOST_STYLE_DEMANDED = Explanation(
    ConfigError,
    "{store} only accepts virtual-hosted addresses, with the bucket's name in the host name ({bucket}.host)",
    "Enter the store's host name as the endpoint, not an IP address, and set the addressing style to auto or virtual.",
)
UNKNOWN_CODE = Explanation(
    TransientError,
    "the store answered {code} with status {status} ({operation})",
    "Try again; if it persists, check the store's own logs, and any proxy or load balancer before it.",
)
REFUSED = Explanation(
    ConfigError,
    "{store} refused the request ({operation}) with status {status} and {code}, which a retry would not change",
    "Check the bucket name and path, the region, and the bucket's own rules (Object Lock, encryption, storage class, object names); "
    "the store's logs have the reason.",
)
KMS = "KMS."  # what the codes of its key management begin with
KMS_KEY = Explanation(
    ConfigError,
    "the KMS key of the bucket {bucket} can't be used ({code})",
    "Check that the key exists and is enabled, and allow the credentials kms:GenerateDataKey and kms:Decrypt with it; or set another "
    "default encryption for the bucket.",
)
