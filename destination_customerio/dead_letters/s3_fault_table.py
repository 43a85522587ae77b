"""Causes and remedies of the bucket's failures without an answer of the store, and of answers that prove nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from destination_customerio.dead_letters.s3_explanations import NOT_S3, Explanation
from destination_customerio.dead_letters.s3_faults import Fault
from destination_customerio.errors import ConfigError, TransientError
from destination_customerio.network.failures import TLS_OF_THE_CONNECTOR

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHECK_PROXY = "Check the endpoint, and that no proxy between Airbyte and the store caches, rewrites or answers requests."
_CHECK_NETWORK = (
    "Check the endpoint (host, port, http or https) and the region, and that Airbyte's network lets the connector reach them; "
    "then try again."
)
_CHECK_ROLE = (
    "Enter the ARN of a role, such as arn:aws:iam::123456789012:role/airbyte-rejected, as the role ARN; without one "
    "configured, set AWS_ROLE_ARN to it."
)
_NOT_PROVEN_REMEDY = (
    f"Try again; if it persists, the store or something before it loses files. {_CHECK_PROXY}"
)
BY_FAULT: Mapping[Fault, Explanation] = {
    Fault.PROFILE: Explanation(
        ConfigError,
        "the AWS profile that is set for this machine ({profile_variable}) does not exist",
        "Remove or correct {profile_variable}, or add the profile to the AWS config file.",
    ),
    Fault.AWS_FILE: Explanation(
        ConfigError,
        "the AWS config or credentials file of this machine can't be read ({file})",
        "Correct the file, or the variable that names it (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE).",
    ),
    Fault.REGION: Explanation(
        ConfigError, "{setting} is not a valid region name", "Enter a region such as us-east-1."
    ),
    Fault.ENDPOINT: Explanation(
        ConfigError,
        "{setting} is not a valid URL",
        "Correct it: a URL such as https://minio.example.com:9000, with letters, digits, hyphens and dots in the host name (no _).",
    ),
    Fault.AWS_SETTING: Explanation(
        ConfigError,
        "{setting}",
        "Correct it where the connector's environment or the AWS config file is set. {settings}",
    ),
    Fault.BUCKET_NAME: Explanation(
        ConfigError,
        "{bucket} is not a valid bucket name",
        "Correct the bucket name: the name alone, such as acme-airbyte-rejected, without s3://, a URL or a path.",
    ),
    Fault.NO_CREDENTIALS: Explanation(
        ConfigError,
        "no AWS credentials were found",
        "Configure an access key for the bucket, or give the machine that runs the connector a role.",
    ),
    Fault.HALF_A_KEY: Explanation(
        ConfigError,
        "no AWS credentials were found: the machine has one half of an access key",
        "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither.",
    ),
    Fault.CREDENTIALS_FILE: Explanation(
        ConfigError,
        "a file that the AWS credentials are read from is missing or can't be read ({file})",
        "Mount it there, or correct the variable or the AWS profile that names it, or configure an access key for the bucket.",
    ),
    Fault.ROLE_ARN: Explanation(ConfigError, "the role is not named by a valid ARN", _CHECK_ROLE),
    Fault.CREDENTIALS_UNREACHABLE: Explanation(
        TransientError,
        "the service that issues the AWS credentials could not be reached, or did not answer in time ({error})",
        "Check that the connector can reach AWS STS, or its container's metadata service; then try again.",
    ),
    Fault.CREDENTIALS_PROFILE: Explanation(
        ConfigError,
        "the settings that say where this machine gets its AWS credentials from are incomplete or contradict each other ({error})",
        "A role needs a source_profile that exists and leads to a key, or a credential_source that has one; a web identity needs a role and a "
        "token. Correct them, or configure an access key for the bucket. {settings}",
    ),
    Fault.CREDENTIALS_PROGRAM: Explanation(
        ConfigError,
        "the program that credential_process names in the AWS config file could not be run, failed, or did not print credentials "
        "({error})",
        "Check that it is in the connector's container and works there, or configure an access key for the bucket.",
    ),
    Fault.SIGN_IN: Explanation(
        ConfigError,
        "the AWS profile of this machine needs an interactive sign-in, which is missing or has expired ({error})",
        "Give the machine a role, or configure an access key for the bucket: a browser sign-in (aws sso login) does not last.",
    ),
    Fault.MFA: Explanation(
        ConfigError,
        "the AWS profile of this machine asks for a code of an MFA device (mfa_serial), which nobody can enter here",
        "Use a profile or a role without mfa_serial, or configure an access key for the bucket.",
    ),
    Fault.CREDENTIALS: Explanation(
        ConfigError,
        "the AWS credentials of this machine can't be used: {setting}",
        "Correct the setting, or configure an access key for the bucket. {settings}",
    ),
    Fault.ADDRESS: Explanation(
        ConfigError,
        "no address for the bucket {bucket} can be made from {setting}",
        "Check the bucket name, the region and the endpoint. {settings}",
    ),
    Fault.UNSUPPORTED: Explanation(
        ConfigError,
        "the address or the credentials of the bucket {bucket} need a part of AWS's own runtime (awscrt) that the connector does "
        "not contain",
        "Enter the name of a bucket, or the ARN of an access point in one region, and an access key or a role.",
    ),
    Fault.CA_BUNDLE: Explanation(
        ConfigError,
        "the file of trusted certificates is missing, or has no certificates ({file})",
        "Correct the path, or mount the file into the connector's container.",
    ),
    Fault.NO_TLS: Explanation(
        ConfigError,
        "{store} does not answer with TLS, which https:// needs",
        "If the store uses plain HTTP, write {plain} as the endpoint; otherwise correct the host or the port.",
    ),
    Fault.TLS_NOT_AGREED: Explanation(
        ConfigError, "{store} and the connector could not agree on a TLS connection", TLS_OF_THE_CONNECTOR
    ),
    Fault.CERTIFICATE_TIME: Explanation(
        ConfigError,
        "the TLS certificate of {store} could not be verified: it has expired, or is not valid yet",
        "Renew the store's certificate, and check the clock of this machine.",
    ),
    Fault.CERTIFICATE_NAME: Explanation(
        ConfigError,
        "the TLS certificate of {store} could not be verified: it is for another host name",
        "Enter the host name that the certificate is for. With a bucket's name in the host name, it must cover that too; "
        "the addressing style path avoids this.",
    ),
    Fault.CERTIFICATE_ISSUER: Explanation(
        ConfigError,
        "the TLS certificate of {store} could not be verified: its issuer is not trusted",
        "Set {bundle} to a PEM file with the certificate of the CA that signed it, perhaps that of a proxy that inspects TLS, and the "
        "public ones.",
    ),
    Fault.TLS: Explanation(
        TransientError,
        "no TLS connection to {store} could be made",
        "Check the endpoint's TLS settings, and any proxy between Airbyte and the store; then try again.",
    ),
    Fault.PROXY: Explanation(
        TransientError,
        "the proxy of the environment could not be used, or refused the connection",
        "Check HTTPS_PROXY and HTTP_PROXY, or exempt the store with NO_PROXY; then try again.",
    ),
    Fault.UNRESOLVED: Explanation(
        TransientError,
        "{store} could not be reached: the host name {host} could not be resolved",
        "Correct the endpoint or the region if it is misspelled, or this machine's DNS. If the host name begins with the bucket's, DNS must have "
        "that too; the addressing style path avoids this.",
    ),
    Fault.UNREACHABLE: Explanation(
        TransientError, "{store} could not be reached, or did not answer in time ({error})", _CHECK_NETWORK
    ),
    Fault.UNREADABLE: Explanation(
        ConfigError, "{store} answered, but not as an S3 store does", NOT_S3.remedy
    ),
    Fault.WEB_PAGE: Explanation(
        TransientError, "{store} answered with a web page, as no S3 store does", NOT_S3.remedy
    ),
    Fault.NO_ETAG: Explanation(
        TransientError,
        "the answer to the upload does not confirm it (no ETag, or another status than 200), so the file may not be stored",
        _NOT_PROVEN_REMEDY,
    ),
    Fault.OTHER_CONTENT: Explanation(
        TransientError,
        "the store has other content than was uploaded (its ETag differs)",
        _NOT_PROVEN_REMEDY,
    ),
    Fault.OTHER_SIZE: Explanation(
        TransientError, "the store has another number of bytes than was uploaded", _NOT_PROVEN_REMEDY
    ),
    Fault.NOT_STORED: Explanation(
        TransientError,
        "the store accepted the file, but does not have it",
        _NOT_PROVEN_REMEDY,
    ),
    Fault.DISK: Explanation(
        TransientError,
        "the temporary file could not be written ({os_error})",
        "Give the connector more disk space for temporary files, then try again.",
    ),
    Fault.UNKNOWN: Explanation(
        TransientError,
        "the store failed in an unexpected way ({error})",
        "Try again; if it persists, check the store's own logs.",
    ),
}
