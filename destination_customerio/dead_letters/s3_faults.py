"""What went wrong with the bucket, by the step that failed and by what the machine or the store answered.

`fault_of` reads an exception: its step, its cause in the chain of exceptions, and where it was raised. The class alone
says too little: a missing file is a full disk in one step, and a wrong AWS_WEB_IDENTITY_TOKEN_FILE in another.
"""

from __future__ import annotations

import socket
import ssl
import traceback
from enum import Enum, auto
from typing import TYPE_CHECKING

from destination_customerio.causes import chain_of, is_raised_in
from destination_customerio.dead_letters.s3_steps import Step, StepFailedError, cause_of
from destination_customerio.network.tls_codes import NOT_AGREED, NOT_TLS, OTHER_HOST, OUTDATED

if TYPE_CHECKING:
    from collections.abc import Mapping


class Fault(Enum):
    """What went wrong, unless the store answered with an error."""

    # Settings: made without any request
    PROFILE = auto()
    AWS_FILE = auto()
    REGION = auto()
    ENDPOINT = auto()
    AWS_SETTING = auto()
    BUCKET_NAME = auto()
    # Credentials
    NO_CREDENTIALS = auto()
    HALF_A_KEY = auto()
    CREDENTIALS_FILE = auto()
    ROLE_ARN = auto()
    CREDENTIALS_UNREACHABLE = auto()
    CREDENTIALS_PROFILE = auto()
    CREDENTIALS_PROGRAM = auto()
    SIGN_IN = auto()
    MFA = auto()
    CREDENTIALS = auto()
    # The address of a request
    ADDRESS = auto()
    UNSUPPORTED = auto()
    # The network
    CA_BUNDLE = auto()
    NO_TLS = auto()
    TLS_NOT_AGREED = auto()
    CERTIFICATE_TIME = auto()
    CERTIFICATE_NAME = auto()
    CERTIFICATE_ISSUER = auto()
    TLS = auto()
    PROXY = auto()
    UNRESOLVED = auto()
    UNREACHABLE = auto()
    # The answer
    UNREADABLE = auto()
    WEB_PAGE = auto()
    NO_ETAG = auto()
    OTHER_CONTENT = auto()
    OTHER_SIZE = auto()
    NOT_STORED = auto()
    # This machine
    DISK = auto()
    UNKNOWN = auto()


class UnprovenUploadError(Exception):
    """An upload was answered as a success, without proof that the store has the file."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


class WebPageError(Exception):
    """A request was answered as a success, with a page for a browser."""


class MfaError(Exception):
    """boto3 asks for a code of an MFA device."""


class UnusableKeyError(Exception):
    """A part of the machine's access key can't be sent."""


def fault_of(error: BaseException) -> Fault | None:
    """What went wrong; None for a bug of the connector."""
    if isinstance(error, UnprovenUploadError):
        return error.fault
    if isinstance(error, WebPageError):
        return Fault.WEB_PAGE
    if isinstance(error, StepFailedError):
        cause = cause_of(error)
        match error.step:
            case Step.SETTINGS:
                return _in_settings(cause)
            case Step.CREDENTIALS:
                return _in_credentials(cause)
            case Step.BUCKET_NAME:
                return Fault.BUCKET_NAME
    return _in_request(error)


def _in_settings(cause: BaseException) -> Fault:
    from botocore import exceptions as boto

    match cause:
        case boto.ProfileNotFound():
            return Fault.PROFILE
        case boto.ConfigParseError() | boto.ConfigNotFound() | OSError():
            return Fault.AWS_FILE
        case boto.InvalidRegionError():
            return Fault.REGION
        # botocore has no type of its own for this.
        case ValueError() if str(cause).startswith("Invalid endpoint"):
            return Fault.ENDPOINT
        case _:
            return Fault.AWS_SETTING


def _in_credentials(cause: BaseException) -> Fault:
    from botocore import exceptions as boto

    if fault := _by_class(cause, _CREDENTIALS):
        return fault
    match cause:
        case boto.PartialCredentialsError():
            is_key = "key" in str(cause.kwargs.get("cred_var")).lower()
            return Fault.HALF_A_KEY if is_key else Fault.CREDENTIALS_PROFILE
        # botocore names the parameter that is wrong, but only in the text.
        case boto.ParamValidationError() if "RoleArn" in str(cause):
            return Fault.ROLE_ARN
        case Exception() if is_raised_in(cause, "_retrieve_credentials_using"):
            return Fault.CREDENTIALS_PROGRAM
        case OSError() if cause.filename is not None:
            return Fault.CREDENTIALS_FILE
        case boto.CredentialRetrievalError() if any(
            isinstance(part, boto.MetadataRetrievalError) for part in chain_of(cause)
        ):
            return Fault.CREDENTIALS_UNREACHABLE
        case boto.CredentialRetrievalError():
            return Fault.CREDENTIALS_PROFILE
        case boto.ConnectionError() | boto.HTTPClientError() | boto.MetadataRetrievalError():
            network = _in_request(cause)
            return (
                Fault.CREDENTIALS_UNREACHABLE
                if network in (None, Fault.UNKNOWN)
                else _for_credentials(network)
            )
        case _:
            return Fault.CREDENTIALS


# By the name of the class, or of one that it extends.
_CREDENTIALS = {
    "NoCredentialsError": Fault.NO_CREDENTIALS,
    "ProfileNotFound": Fault.PROFILE,
    "ConfigParseError": Fault.AWS_FILE,
    "ConfigNotFound": Fault.AWS_FILE,
    "InvalidRegionError": Fault.REGION,
    "InvalidConfigError": Fault.CREDENTIALS_PROFILE,
    "UnknownCredentialError": Fault.CREDENTIALS_PROFILE,
    "SSOError": Fault.SIGN_IN,
    "LoginError": Fault.SIGN_IN,
    "TokenRetrievalError": Fault.SIGN_IN,
    "MfaError": Fault.MFA,
    "RefreshWithMFAUnsupportedError": Fault.MFA,
}
_REQUESTS = {
    "ProxyConnectionError": Fault.PROXY,
    "ResponseParserError": Fault.UNREADABLE,
    # Before a request is sent
    "EndpointProviderError": Fault.ADDRESS,
    "BaseEndpointResolverError": Fault.ADDRESS,
    "InvalidEndpointConfigurationError": Fault.ADDRESS,
    "InvalidHostLabelError": Fault.ADDRESS,
    "UnsupportedS3ArnError": Fault.ADDRESS,
    "UnsupportedS3ConfigurationError": Fault.ADDRESS,
    "UnsupportedS3AccesspointConfigurationError": Fault.ADDRESS,
    "MissingDependencyException": Fault.UNSUPPORTED,
}


def _by_class(error: BaseException, faults: Mapping[str, Fault]) -> Fault | None:
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((faults[name] for name in names if name in faults), None)


def _for_credentials(network: Fault) -> Fault:
    # The endpoint of the bucket has no part in these; what is wrong with certificates and proxies is wrong for both.
    if network in (Fault.UNRESOLVED, Fault.UNREACHABLE, Fault.NO_TLS, Fault.TLS, Fault.UNREADABLE):
        return Fault.CREDENTIALS_UNREACHABLE
    return network


def _in_request(error: BaseException) -> Fault | None:
    from botocore import exceptions as boto

    if fault := _by_class(error, _REQUESTS):
        return fault
    chain = list(chain_of(error))
    match error:
        case boto.SSLError():
            return _in_tls(chain)
        case boto.ParamValidationError():
            return None
        case (
            boto.ConnectionError()
            | boto.HTTPClientError()
            | boto.IncompleteReadError()
            | boto.ChecksumError()
        ):
            if any(isinstance(part, socket.gaierror) for part in chain):
                return Fault.UNRESOLVED
            if any(_is_about_a_file(part) for part in chain):
                return Fault.CA_BUNDLE
            return Fault.UNREACHABLE
        case boto.BotoCoreError():
            return Fault.UNKNOWN
        case ssl.SSLError():
            return _in_tls(chain)
        case ConnectionError() | TimeoutError():
            return Fault.UNREACHABLE
        case OSError():
            # While a connection is made, only the file of certificates is read.
            return Fault.CA_BUNDLE if _passed_through(error, "urllib3") else Fault.DISK
        case ValueError() if _passed_through(error, "botocore.parsers"):
            return Fault.UNREADABLE
        case _:
            return None


def _in_tls(chain: list[BaseException]) -> Fault:
    for part in chain:
        if type(part).__name__ == "CertificateError":  # urllib3's own, which compares the name itself
            return Fault.CERTIFICATE_NAME
        if isinstance(part, ssl.SSLCertVerificationError):
            return _CERTIFICATE_FAULTS.get(part.verify_code, Fault.CERTIFICATE_ISSUER)
        if _is_about_a_file(part):
            return Fault.CA_BUNDLE
        if isinstance(part, ssl.SSLEOFError):
            return Fault.UNREACHABLE
        if isinstance(part, ssl.SSLError):
            if part.reason in NOT_TLS:
                return Fault.NO_TLS
            if part.reason in NOT_AGREED:
                return Fault.TLS_NOT_AGREED
            if part.reason in _NO_CERTIFICATES_REASONS:
                return Fault.CA_BUNDLE
    return Fault.TLS


_CERTIFICATE_FAULTS = {
    **dict.fromkeys(OUTDATED, Fault.CERTIFICATE_TIME),
    **dict.fromkeys(OTHER_HOST, Fault.CERTIFICATE_NAME),
}
_NO_CERTIFICATES_REASONS = frozenset({"NO_CERTIFICATE_OR_CRL_FOUND", "NO_START_LINE"})


def _is_about_a_file(part: BaseException) -> bool:
    return isinstance(part, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)


def _passed_through(error: BaseException, module: str) -> bool:
    """Whether an exception was raised in a module, or below it."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(module in frame.f_globals.get("__name__", "") for frame, _ in frames)
