"""The bucket: a client made from the configuration, what its errors mean, and the upload of one file.

Credentials, first that applies: the static keys; the role, assumed through STS with the machine's own credentials and
renewed before it expires; what boto3 finds on the machine. boto3 is imported only when it is needed, as it is slow to.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

from destination_customerio import __version__
from destination_customerio.errors import ConfigError, SyncError, TransientError

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import DeferredRefreshableCredentials
    from botocore.session import Session
    from mypy_boto3_s3.client import S3Client

    from destination_customerio.config import S3Storage

_DEFAULT_REGION = "us-east-1"
_SESSION_NAME = "airbyte-sts-session"
_CONNECT_TIMEOUT_SECONDS = 10
_READ_TIMEOUT_SECONDS = 60
# With boto3's backoff these span about half a minute. AWS_MAX_ATTEMPTS overrides it, as everywhere with boto3.
_MAX_ATTEMPTS = 8
_PART_BYTES = 16 * 1024 * 1024

_UPLOADING = (
    "The rejected rows could not be stored in the bucket, so the sync stops; rows that are not yet acknowledged will "
    "be sent again by the next attempt"
)


def make_client(storage: S3Storage) -> S3Client:
    """A client for the configured bucket; safe to share between threads.

    Raises:
        ConfigError: no region is known, or a role is configured and the machine has no credentials to assume it with.
    """
    from botocore.config import Config as ClientConfig

    session = _session(storage)
    region = _region(storage, session)
    retries: dict[str, Any] = {"mode": "standard"}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = _MAX_ATTEMPTS
    return session.client(
        "s3",
        region_name=region,
        endpoint_url=storage.s3_endpoint or None,
        config=ClientConfig(
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            read_timeout=_READ_TIMEOUT_SECONDS,
            retries=retries,  # type: ignore[arg-type]
            user_agent_extra=f"airbyte-destination-customerio/{__version__}",
            # Other stores have no host name per bucket, and some do not know the newer checksums.
            s3={"addressing_style": "path"} if storage.s3_endpoint else None,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def upload(client: S3Client, storage: S3Storage, key: str, file: IO[bytes], content_type: str) -> None:
    """Upload a file from its present position; large ones in parts, in this thread.

    A .gz file is declared as such and not as an encoding, so that no reader unpacks it on the way.

    Raises:
        Exception: whatever boto3 raises, after its own retries; see `explain`.
    """
    from boto3.s3.transfer import TransferConfig

    client.upload_fileobj(
        file,
        storage.s3_bucket_name,
        key,
        ExtraArgs={"ContentType": content_type},
        Config=TransferConfig(
            use_threads=False, multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES
        ),
    )


def explain(error: Exception, storage: S3Storage, doing: str = _UPLOADING) -> SyncError:
    """What a failure means, as the error to end with.

    Args:
        error: raised by boto3, by the machine's file system, or a SyncError, which is returned as it is
        storage: the configuration
        doing: the beginning of the sentence: what failed, and what it means for the rows
    """
    if isinstance(error, SyncError):
        return error
    kind, cause, remedy = _diagnose(error, storage)
    return kind(f"{doing}: {cause}. {remedy}")


def _session(storage: S3Storage) -> boto3.Session:
    import boto3
    import botocore.session

    if key_id := storage.access_key_id.get_secret_value():
        return boto3.Session(
            aws_access_key_id=key_id, aws_secret_access_key=storage.secret_access_key.get_secret_value()
        )
    if not storage.role_arn:
        return boto3.Session()
    return boto3.Session(
        botocore_session=_assuming_session(botocore.session.get_session(), storage), region_name=None
    )


def _assuming_session(session: Session, storage: S3Storage) -> Session:
    """A session that acts as the role; `session` has the credentials that may assume it."""
    import botocore.session
    from botocore.credentials import (
        AssumeRoleCredentialFetcher,
        CredentialProvider,
        CredentialResolver,
        DeferredRefreshableCredentials,
    )

    source = session.get_credentials()
    if source is None:
        raise ConfigError(
            "A role is configured for the bucket, and the machine that runs the connector has no AWS credentials to assume "
            "it with. Nothing was written. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the connector's "
            "environment, or configure an access key for the bucket instead of the role."
        )
    arguments = {"RoleSessionName": _SESSION_NAME}
    if external_id := os.environ.get("AWS_ASSUME_ROLE_EXTERNAL_ID"):
        arguments["ExternalId"] = external_id
    region = storage.s3_bucket_region or session.get_config_variable("region") or _DEFAULT_REGION

    def create_client(service: str, **options: Any) -> Any:
        return session.create_client(service, region_name=region, **options)

    fetcher = AssumeRoleCredentialFetcher(create_client, source, storage.role_arn, extra_args=arguments)

    class RoleProvider(CredentialProvider):
        METHOD = CANONICAL_NAME = "assume-role"

        def load(self) -> DeferredRefreshableCredentials:
            return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    acting = botocore.session.get_session()
    acting.register_component("credential_provider", CredentialResolver([RoleProvider()]))
    return acting


def _region(storage: S3Storage, session: boto3.Session) -> str | None:
    if storage.s3_bucket_region:
        return storage.s3_bucket_region
    if storage.s3_endpoint:
        return _DEFAULT_REGION
    if session.region_name:
        return None
    raise ConfigError(
        "The region of the bucket is not configured. Nothing was written. Enter the bucket's region, such as us-east-1; "
        "AWS shows it beside the bucket's name."
    )


def _diagnose(error: Exception, storage: S3Storage) -> tuple[type[SyncError], str, str]:
    """The kind of error, its cause in half a sentence, and what to do in a whole one."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as boto

    bucket = storage.s3_bucket_name
    place = storage.s3_endpoint or "AWS"
    match error:
        case boto.ClientError():
            return _diagnose_answer(error, storage)
        case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.CredentialRetrievalError():
            return (
                ConfigError,
                "no AWS credentials were found",
                "Configure an access key for the bucket, or give the machine that runs the connector a role.",
            )
        case boto.ParamValidationError() | boto.InvalidRegionError() | ValueError():
            return (
                ConfigError,
                f"the bucket name {bucket}, the region or the endpoint is not spelled as S3 allows",
                "Check the bucket name, the region and the endpoint.",
            )
        case boto.SSLError():
            return (
                TransientError,
                f"the TLS certificate of {place} could not be verified",
                "Check the endpoint's certificate, and the proxy between Airbyte and it.",
            )
        case (
            boto.ConnectionError()
            | boto.HTTPClientError()
            | boto.ResponseStreamingError()
            | boto.IncompleteReadError()
            | ConnectionError()
            | TimeoutError()
        ):
            return (
                TransientError,
                f"{place} could not be reached, or did not answer in time ({type(error).__name__})",
                "Check the endpoint and the region, and that Airbyte's network lets the connector reach them; then try again.",
            )
        case OSError():
            return (
                TransientError,
                f"this machine could not keep the file for upload ({os.strerror(error.errno or 0)})",
                "Give the connector more disk space for temporary files, then try again.",
            )
        case boto.BotoCoreError() | Boto3Error():
            return (
                TransientError,
                f"the store failed in an unexpected way ({type(error).__name__})",
                "Try again; if it stays, check the store's own logs.",
            )
    return (
        SyncError,
        f"the connector has a fault ({type(error).__name__})",
        "Report it with the connector's version; the next attempt may meet it again.",
    )


_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"})
_BAD_KEYS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSecurity",
        "NotSignedUp",
        "401",
        "Unauthorized",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"})
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_BUSY = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequests",
        "503",
        "ServiceUnavailable",
    }
)


def _diagnose_answer(error: Any, storage: S3Storage) -> tuple[type[SyncError], str, str]:
    bucket = storage.s3_bucket_name
    code = str(error.response.get("Error", {}).get("Code", ""))
    operation = str(error.operation_name)
    if operation == "AssumeRole" and code not in _BUSY:
        return (
            ConfigError,
            f"the role of the configuration could not be assumed (AWS answered {_word(code)})",
            "Check the role ARN, and that the role trusts the connector's own AWS credentials and its external ID.",
        )
    if code in _DENIED or code.startswith("KMS."):
        return (
            ConfigError,
            f"access to the bucket {bucket} was denied ({operation})",
            (
                "Allow the credentials s3:PutObject, s3:ListBucket, s3:GetObject and s3:DeleteObject on the bucket and "
                "the bucket path, and the use of its KMS key if it has one."
            ),
        )
    if code == "NoSuchBucket" or (code == "404" and operation == "HeadBucket"):
        return (
            ConfigError,
            f"there is no bucket {bucket}",
            "Check the bucket name, and the endpoint if one is set, or create the bucket.",
        )
    if code in _BAD_KEYS:
        return (
            ConfigError,
            "the access key was refused",
            "Check the access key ID and the secret access key; create a new pair if in doubt.",
        )
    if code in _ELSEWHERE:
        return (
            ConfigError,
            f"the bucket {bucket} is in another region",
            "Set the bucket region to the one that AWS shows beside the bucket's name.",
        )
    if code == "InvalidBucketName":
        return (ConfigError, f"{bucket} is not a valid bucket name", "Check the bucket name.")
    if code in _EXPIRED:
        return (
            TransientError,
            "the credentials expired",
            "Try again; if it stays, renew the credentials of the machine that runs the connector.",
        )
    if code == "RequestTimeTooSkewed":
        return (TransientError, "the clock of this machine is wrong", "Set the clock, then try again.")
    if code in _BUSY:
        return (
            TransientError,
            "the store asks for fewer requests",
            "Try again later; if it stays, use another bucket or path.",
        )
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (
        TransientError,
        f"the store answered {_word(code)} with status {status} ({operation})",
        "Try again; if it stays, check the store's own logs.",
    )


def _word(code: str) -> str:
    """An error code for a message; what does not look like one may be anything, so it stays out."""
    return code if code.isascii() and code.replace(".", "").isalnum() and len(code) < 64 else "an error"
