"""Of text that isn't ours nothing is shown but known words and the columns of the schema."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from destination_customerio.errors import Rejection
from destination_customerio.foreign_text import KnownColumns, known_code, known_words
from destination_customerio.mapping.identifiers import IDENTIFIER_KINDS
from destination_customerio.mapping.objects import DESTINATION_OBJECTS
from destination_customerio.vocabulary import WORDS
from integration_tests.quotations import FORMS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("attribute 'plan' is too long", "attribute plan is too long"),
        ("limit is 1000 bytes, you sent 1 234", "limit is … bytes, you sent …"),
        ("Your account is suspended; contact help@example.com.", "Your account is suspended; contact …"),
        ("413 Request Entity Too Large", "… Request Entity Too Large"),
        (
            "missing batch_index (person_email/id): AccessDenied",
            "missing batch_index person_email/id: AccessDenied",
        ),
        ("email ada@example.com and Ada Lovelace", "email … and …"),
        ('{"error":"invalid"}', "…"),
        ("<b>invalid</b> email", "… email"),
        ("gender X of a user: x-amz-acl", "… of a user: x-amz-acl"),
        ("…", "…"),
        (" \n\t", ""),
        ("", ""),
    ],
)
def test_known_words_are_shown_and_everything_else_is_replaced(text: str, shown: str) -> None:
    """A run of other words, numbers or characters becomes one ellipsis."""
    assert known_words(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("attributes value too large: max 1000 bytes", "attributes value too large: … bytes"),
        (
            "attribute name exceeds maximum length of 150 bytes",
            "attribute name exceeds maximum length of … bytes",
        ),
        ("object_type_id must be a positive integer", "object_type_id must be a … integer"),
        ("unexpected end of JSON input", "unexpected end of JSON input"),
        ("event name must not be blank", "event name must not be blank"),
        ("identifier already in use by another profile", "identifier already in use by another profile"),
        ("email is already taken by another customer", "email is already taken by another customer"),
        ("segment is not a manual segment", "segment is not a manual segment"),
        ("Your API key has been revoked", "Your API key has been revoked"),
        ("This feature is not enabled for your account", "This feature is not enabled for your account"),
        ("Your IP is not on the allowlist", "Your IP is not on the allowlist"),
        (
            "The request signature we calculated does not match the signature you provided.",
            "The request signature we calculated does not match the signature you provided.",
        ),
        (
            "The difference between the request time and the current time is too large.",
            "The … between the request time and the current time is too large.",
        ),
        ("User: ada is not authorized to perform: s3:PutObject", "User: … is not authorized to perform: …"),
        (
            "The page you requested was blocked by your organization's policy. Incident ID: 7",
            "The page you requested was blocked by your organization's policy. Incident ID: …",
        ),
    ],
)
def test_what_servers_really_say_can_be_understood(text: str, shown: str) -> None:
    """Of the Track API, of S3 and of proxies; without numbers, which may be a row's."""
    assert known_words(text) == shown


VALUES = (
    "ada.lovelace@example.com",
    "Müller-Straße 7",
    "+44 20 7946 0018",
    "1234567",
    "k3y9f2d1c0ffee",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCY",
    "01HZX3Q9W3N9T5R8VJ6KMYPD2A",
    "2024-03-18T13:42:21Z",
    "founder",
)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "in a sentence"])
@pytest.mark.parametrize("value", VALUES)
def test_no_form_of_a_value_is_shown(value: str, form: str) -> None:
    """Not even a piece of one, in whatever way the server writes it."""
    written = FORMS[form](value)
    columns = KnownColumns.of(["tier"])
    assert known_words(f"email {written} is invalid") == "email … is invalid"
    assert known_code(written, "refused") == "refused"
    assert columns.shown_field(f"attributes.{written}") == "attributes.…"
    assert set(columns.shown_field(written)) <= {"…", "."}


@given(st.text(st.characters() | st.sampled_from(" .-_/")))
@example("Invalid email Ada is not valid")
@example("eMAIL \u212a \u017f \u0131")
def test_every_shown_word_is_made_of_the_vocabulary(text: str) -> None:
    """Whatever the text; the result is short, printable and has no digit."""
    shown = known_words(f"the {text} email is {text}")
    assert shown.isprintable()
    parts = re.findall(r"[a-z']+", re.sub(r"(?<![A-Z])(?=[A-Z])|(?=[A-Z][a-z])", " ", shown).lower())
    assert set(parts) <= WORDS
    assert not any(map(str.isdigit, shown))


def test_the_length_is_bounded() -> None:
    """A text of known words only can't spell a long value, and a text of megabytes is not read to its end."""
    assert known_words("email is not valid " * 100) == "email is not valid " * 10 + "…"
    assert known_words("x" * 50_000_000) == "…"
    assert len(KnownColumns.of([]).shown_field("email." * 10_000_000)) < 100


def test_the_vocabulary_contains_no_digits_and_no_values_of_flags() -> None:
    """Numbers and booleans may be a row's values."""
    assert all(re.fullmatch(r"[a-z_']+", word) for word in WORDS)
    assert WORDS.isdisjoint(
        {
            "true",
            "false",
            "yes",
            "may",
            "will",
            "mark",
            "max",
            "grant",
            "paid",
            "premium",
            "gold",
            "active",
            "free",
            "positive",
        }
    )


@pytest.mark.parametrize(
    "code",
    [
        "required",
        "too_large",
        "unreadable",
        "NoSuchBucket",
        "SignatureDoesNotMatch",
        "KMS.DisabledException",
        "XMinioStorageFull",
        "RequestTimeTooSkewed",
        "attribute.too-long",
        "already_taken",
        "InvalidURI",
        "OptInRequired",
        "AuthFailure",
        "RequestIsNotMultiPartContent",
        "AccessControlListNotSupported",
        "ConditionalRequestConflict",
        "XMinioServerNotInitialized",
    ],
)
def test_codes_that_are_made_of_known_words_are_shown(code: str) -> None:
    """With underscores, dots, dashes or capitals between the words."""
    assert known_code(code, "refused") == code


@pytest.mark.parametrize(
    "code", ["", "_", "...", "founder", "Access-Denied-Ada", "accessdenied", "Error42", "eMaIl"]
)
def test_other_codes_are_replaced(code: str) -> None:
    """Also those that contain a known word."""
    assert known_code(code, "refused") == "refused"


def test_columns_of_all_destination_objects_are_known() -> None:
    """They are the connector's own names, in the schema or not."""
    columns = KnownColumns.of([])
    for target in DESTINATION_OBJECTS.values():
        for kind in IDENTIFIER_KINDS.values():
            for column in target.named_columns(kind):
                assert columns.shown_field(column.name) == column.name


@pytest.mark.parametrize(
    "column", ["tier", "E-Mail (work)", "Größe", "address.city", "$distinct_id", "2024_revenue", "x"]
)
def test_columns_of_the_schema_are_shown(column: str) -> None:
    """As they are spelled, and only whole."""
    columns = KnownColumns.of([column])
    assert columns.shown_field(column) == columns.shown(column) == column
    assert columns.shown_field(f"{column}@").endswith("…")


@pytest.mark.parametrize(
    "column",
    [
        "ada@example.com",
        "5551234",
        "+44 20 7946 0018",
        "2024-03-18T13:42",
        "k3y9f2d1c0ffee",
        "a\x1b[31m",
        "a\u202eb",
        "x" * 201,
    ],
)
def test_columns_that_look_like_values_are_not_shown(column: str) -> None:
    """A pivoted table names its columns by people, moments or ids."""
    assert KnownColumns.of([column]).shown_field(column) == "…"
    assert KnownColumns.of([]).shown(column) == "…"


def test_a_path_is_shown_as_far_as_it_is_known() -> None:
    """Known levels of a server's field stay, so that the reader finds the place."""
    columns = KnownColumns.of(["tier", "address"])
    assert columns.shown_field("attributes.tier") == "attributes.tier"
    assert columns.shown_field("address.founder.city.7.email.x.tier") == "address.….email.….tier"
    assert columns.shown_field("tier is Founder!") == "…"
    assert columns.shown_field("") == ""


def test_without_a_schema_only_the_connector_may_name_a_column() -> None:
    """A field that a server names may be a value; a name that the connector found in a row is a column."""
    assert KnownColumns.of([]).shown("tier") == "tier"
    assert KnownColumns.of([]).shown_field("tier") == "…"
    assert KnownColumns.of(["level"]).shown("tier") == "…"


@pytest.mark.parametrize(
    ("rejection", "counted"),
    [
        (Rejection("invalid", "attributes.tier", "Ada"), ("invalid", "attributes.tier")),
        (Rejection("founder", "tier", ""), ("refused", "tier")),
        (Rejection("too_large", "Ada", ""), ("too_large", "…")),
        (Rejection("required", "", ""), ("required", "")),
    ],
)
def test_rows_are_counted_by_known_reasons_and_columns(
    rejection: Rejection, counted: tuple[str, str]
) -> None:
    """The counts are logged."""
    assert KnownColumns.of(["tier"]).countable(rejection) == counted
