"""What a failure of the bucket means, as the error to end with.

Causes and remedies are in `s3_error_table` and `s3_fault_table`, what failed is read by `s3_faults`. No text of an exception or of an answer
gets into a message, as stores quote keys in it: only codes that are known, and names of our own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from destination_customerio.causes import chain_of
from destination_customerio.dead_letters.aws_environment import (
    CA_BUNDLES,
    ENDPOINTS,
    REGIONS,
    first_set,
    invalid_variable,
)
from destination_customerio.dead_letters.s3_error_table import (
    BUCKET_IN_ENDPOINT,
    BUSY,
    BY_CODE,
    EXPIRED,
    KMS,
    NOT_S3,
    REDIRECTED,
    ROLE_NOT_ASSUMED,
    SHOWN_CODES,
    STS_FAILED,
    UNKNOWN_CODE,
    Explanation,
)
from destination_customerio.dead_letters.s3_fault_table import BY_FAULT
from destination_customerio.dead_letters.s3_faults import (
    Fault,
    Step,
    StepFailedError,
    cause_of,
    fault_of,
)
from destination_customerio.dead_letters.s3_route import bucket_route
from destination_customerio.errors import ConfigError, SyncError, TransientError, unexpected
from destination_customerio.machine_limits import exceeded_limit
from destination_customerio.network.failures import explain_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destination_customerio.config.storage import S3Storage

_UPLOADING = "The rejected rows could not be stored in the bucket"
_SYNC_STOPS = "The sync stops; the next attempt sends the rows again that are not yet acknowledged."
_SERVER_ERROR = 500


def code_of(error: Any) -> str:
    """The code of an S3 error, such as `NoSuchKey`; empty where the store named none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: Any) -> int:
    """The HTTP status of an S3 error; 0 where there was none."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def explain(
    error: Exception, storage: S3Storage, failed: str = _UPLOADING, meaning: str = _SYNC_STOPS
) -> SyncError:
    """What a failure means, as the error to end with.

    Args:
        error: raised by boto3, by a step, by the machine's file system, or a SyncError, which is returned as it is
        storage: the configuration
        failed: what failed, as the beginning of a sentence
        meaning: what that means for the rows, in whole sentences; may be empty
    """
    from botocore.exceptions import ClientError

    cause = cause_of(error)
    if isinstance(cause, SyncError):
        return cause
    if limit := exceeded_limit(error):
        return TransientError(_sentences(failed, limit.clause, meaning, limit.remedy))
    if isinstance(cause, ClientError):
        explanation = (
            _explanation_for_credentials(cause)
            if isinstance(error, StepFailedError)
            else _explanation_of_answer(cause, storage)
        )
    elif fault := fault_of(error):
        explanation = _explanation_of_proxy(cause, storage) or BY_FAULT[fault]
    else:
        bug = unexpected(error)
        return SyncError(
            _sentences(
                failed,
                f"unexpected error ({type(error).__name__})",
                meaning,
                "Please report this with the connector's version.",
            ),
            bug.internal_message,
        )
    words = _words(error, cause, storage)
    return explanation.kind(
        _sentences(failed, explanation.cause.format(**words), meaning, explanation.remedy.format(**words))
    )


@contextlib.contextmanager
def explained(
    storage: S3Storage,
    failed: str,
    meaning: str = "",
    passing: type[Exception] | tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turn whatever fails inside into the error that `explain` makes of it.

    Args:
        storage: the configuration
        failed: as for `explain`
        meaning: as for `explain`
        passing: exceptions that pass through as they are

    Raises:
        SyncError: something failed.
    """
    try:
        yield
    except passing:
        raise
    except Exception as error:  # noqa: BLE001 - every failure needs an explanation
        raise explain(error, storage, failed, meaning) from None


def _explanation_of_proxy(cause: BaseException, storage: S3Storage) -> Explanation | None:
    """Why no connection came about through the proxy of the environment; None where there is none, or it did its part."""
    try:
        route = bucket_route(storage, os.environ)
    except ConfigError:
        return None
    if route.proxy is None:
        return None
    failure = explain_failure(cause, route, "the store")
    return Explanation(failure.kind, failure.cause, failure.remedy) if failure else None


def _explanation_of_answer(error: Any, storage: S3Storage) -> Explanation:
    code, status, operation = code_of(error), status_of(error), str(error.operation_name)
    if code.startswith(KMS):
        return BY_CODE[KMS]
    if _is_for_another_address(code, operation) and _server_of(storage):
        return BUCKET_IN_ENDPOINT
    # Without a body, botocore takes the status as the code. Answers to HEAD have none; others of a store do.
    without_code = not code or code.isdecimal()
    if without_code and 300 <= status < 400:
        return REDIRECTED if storage.s3_endpoint else BY_CODE["PermanentRedirect"]
    if row := BY_CODE.get(code):
        return row
    if without_code and 400 <= status < _SERVER_ERROR and not operation.startswith("Head"):
        return BY_CODE.get(str(status), NOT_S3)
    return BY_CODE.get(str(status), UNKNOWN_CODE) if without_code else UNKNOWN_CODE


def _explanation_for_credentials(error: Any) -> Explanation:
    code = code_of(error)
    row = BY_CODE.get(code)
    if row in (BUSY, EXPIRED):
        return row
    if code == "ValidationError":
        return BY_FAULT[Fault.ROLE_ARN]
    if status_of(error) >= _SERVER_ERROR or code == "IDPCommunicationError":
        return STS_FAILED
    return ROLE_NOT_ASSUMED


def _is_for_another_address(code: str, operation: str) -> bool:
    """Whether a store answers so when the bucket's name is twice in the address: once more as a part of the key."""
    return code == "NoSuchBucket" or (
        code in ("NoSuchKey", "404") and operation in ("PutObject", "ListObjectsV2")
    )


def _server_of(storage: S3Storage) -> str | None:
    """The endpoint without the bucket's name; None if it has none."""
    parts = urlsplit(storage.s3_endpoint)
    bucket = storage.s3_bucket_name
    if parts.netloc.startswith(bucket + ".") and not _is_address(parts.hostname or ""):
        return urlunsplit((parts.scheme, parts.netloc.removeprefix(bucket + "."), parts.path, "", ""))
    path = parts.path.rstrip("/")
    if path.endswith("/" + bucket):
        return urlunsplit((parts.scheme, parts.netloc, path.removesuffix("/" + bucket), "", ""))
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _words(error: Exception, cause: BaseException, storage: S3Storage) -> dict[str, object]:
    """What fills the placeholders of an explanation."""
    from botocore.exceptions import ClientError

    answer = cause if isinstance(cause, ClientError) else None
    variable = first_set(ENDPOINTS, os.environ)
    store = storage.s3_endpoint or (f"the store of {variable}" if variable else "AWS")
    return {
        "bucket": storage.s3_bucket_name,
        "store": store,
        "plain": urlunsplit(("http", *urlsplit(storage.s3_endpoint)[1:]))
        if storage.s3_endpoint
        else "http://host:port",  # ignore-https-check: a pattern
        "server": _server_of(storage) or store,
        "operation": answer.operation_name if answer else "",
        "code": _shown(code_of(answer)) if answer else "",
        "status": status_of(answer) if answer else 0,
        "error": type(cause).__name__,
        "os_error": os.strerror(getattr(cause, "errno", None) or 0),
        "file": _file_of(cause),
        "setting": _setting_of(error, cause, storage),
        "variables": ", ".join(sorted(name for name in os.environ if name.startswith("AWS_"))) or "none",
    }


def _file_of(cause: BaseException) -> str:
    """The path of a file of this machine that could not be read, with the variable that names it."""
    named = next(filter(None, map(_path_in, chain_of(cause))), None)
    for name, value in sorted(os.environ.items()):
        if named and name.startswith("AWS_") and value == str(named):
            return f"{name}={named}"
    if named:
        return str(named)
    bundle = first_set(CA_BUNDLES, os.environ)
    return f"{bundle}={os.environ[bundle]}" if bundle else "the one of this machine"


def _path_in(error: BaseException) -> object:
    return getattr(error, "kwargs", {}).get("path") or getattr(error, "filename", None)


def _setting_of(error: Exception, cause: BaseException, storage: S3Storage) -> str:
    """The setting that is wrong, as a clause."""
    if not isinstance(error, StepFailedError):
        return ""
    fault = fault_of(error)
    if fault is Fault.REGION and storage.s3_bucket_region:
        return "the bucket region"
    if fault is Fault.ENDPOINT and storage.s3_endpoint:
        return f"the endpoint {storage.s3_endpoint}"
    if fault in (Fault.REGION, Fault.ENDPOINT):
        name = first_set(REGIONS if fault is Fault.REGION else ENDPOINTS, os.environ)
        return f"the environment variable {name}" if name else "a setting in the AWS config file"
    step = error.step if error.step is Step.CREDENTIALS else Step.SETTINGS
    return invalid_variable(step, os.environ) or (
        f"a setting for AWS on this machine is invalid ({type(cause).__name__})"
    )


def _sentences(failed: str, cause: str, *rest: str) -> str:
    return " ".join((f"{failed}: {cause}.", *filter(None, rest)))


def _shown(code: str) -> str:
    """An error code for a message; one that is not known may be anything, so it is left out."""
    return code if code in SHOWN_CODES else "an error"
