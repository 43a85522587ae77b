"""Object keys of the files of rejected rows: readable, below the bucket path, and never used twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destination_customerio.airbyte.catalog import Stream
from destination_customerio.config.storage import S3Storage
from destination_customerio.dead_letters.keys import (
    DeadLetterKeys,
    bucket_prefix,
    file_extension,
    is_test_object,
)
from destination_customerio.errors import ConfigError

STARTED_AT = datetime(2026, 11, 3, 4, 5, 6, 78_999, tzinfo=UTC)
EPOCH = "1793678706078"
SYNC_UUID = UUID("6f2d6a3a-0b8f-4b39-9d59-2f3f6a1c9a11")
USERS = Stream("users", "shop", sync_id=42)

PATH_VARIABLES = [
    "namespace",
    "stream_name",
    "sync_id",
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "epoch",
    "uuid",
]
FILE_VARIABLES = ["date", "timestamp", "part_number", "sync_id", "format_extension", "date:yyyy_MM"]

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
wild_names = names | st.sampled_from(["..", ".", "/", "../..", "/etc/passwd", "a/../../b", "\u0301", ""])
# With these, a number that keeps two files apart meets another stream's own name.
numbered_names = st.lists(st.sampled_from(["1", "2", "1_1"]), max_size=3).map(
    lambda ends: "_".join(["a", *ends])
)
long_names = st.builds(lambda name, times: name * times, wild_names, st.sampled_from([1, 1, 40, 200]))
streams = st.builds(Stream, long_names, st.none() | long_names, sync_id=st.integers(0, 10**18))


def templates(variables: list[str]) -> st.SearchStrategy[str]:
    """Formats made of variables and of any text that is not one."""
    literal = st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="{}"), max_size=8
    )
    part = (
        literal
        | st.sampled_from(["/", "..", "/../"])
        | st.sampled_from([f"{{{name}}}" for name in variables])
    )
    return st.lists(part, max_size=6).map("".join)


def storage(**values: Any) -> S3Storage:
    """A configuration with these values."""
    return S3Storage.model_validate(
        {
            "storage_type": "S3",
            "s3_bucket_name": "bucket",
            "s3_bucket_region": "us-east-1",
            "bucket_path": "customerio/rejected",
            **values,
        }
    )


def keys(**values: Any) -> DeadLetterKeys:
    """The keys of one sync under this configuration."""
    return DeadLetterKeys(storage(**values), STARTED_AT, SYNC_UUID)


def test_the_default_key_is_where_airbyte_links_to() -> None:
    """Bucket path, sync, namespace, stream; date, start time and part number."""
    made = keys()
    folder = "customerio/rejected/42/shop/users"
    assert made.next_key(USERS) == f"{folder}/2026_11_03_{EPOCH}_0.csv"
    assert made.next_key(USERS) == f"{folder}/2026_11_03_{EPOCH}_1.csv"


def test_parts_count_for_each_stream() -> None:
    """Also for two streams that differ in their namespace alone."""
    made = keys()
    same_name = Stream("users", "other", sync_id=42)
    assert made.next_key(USERS).endswith("_0.csv")
    assert made.next_key(same_name) == f"customerio/rejected/42/other/users/2026_11_03_{EPOCH}_0.csv"


def test_without_a_namespace_there_is_no_level_for_it() -> None:
    """Not even an empty one."""
    key = keys().next_key(Stream("users", sync_id=42))
    assert key == f"customerio/rejected/42/users/2026_11_03_{EPOCH}_0.csv"


@pytest.mark.parametrize(
    ("file_format", "compression", "extension"),
    [
        ("CSV", "No Compression", ".csv"),
        ("CSV", "GZIP", ".csv.gz"),
        ("JSONL", "No Compression", ".jsonl"),
        ("JSONL", "GZIP", ".jsonl.gz"),
    ],
)
def test_the_extension_says_what_is_in_the_file(file_format: str, compression: str, extension: str) -> None:
    """Format first, then compression."""
    values = {"format": {"format_type": file_format}, "compression": {"compression_type": compression}}
    assert file_extension(storage(**values)) == extension
    assert keys(**values).next_key(USERS).endswith(f"_0{extension}")


def test_every_path_variable() -> None:
    """Times are those of the sync's start, in UTC, with leading zeros."""
    path = "/".join(f"{name}={{{name}}}" for name in PATH_VARIABLES) + "/"
    key = keys(path_format=path, file_name_format="x").next_key(USERS)
    assert key == (
        "customerio/rejected/namespace=shop/stream_name=users/sync_id=42/year=2026/month=11/day=03/hour=04/"
        f"minute=05/second=06/millisecond=0078/epoch={EPOCH}/uuid={SYNC_UUID}/x"
    )


def test_every_file_variable() -> None:
    """Date patterns are those of Java, with literal text in quotes."""
    name = "{date}+{timestamp}+{part_number}+{sync_id}+{date:yyyy-MM-dd'T'HHmmss.SSS}+{date:yy}{format_extension}"
    key = keys(path_format="p/", file_name_format=name).next_key(USERS)
    assert key == f"customerio/rejected/p/2026_11_03+{EPOCH}+0+42+2026-11-03T040506.078+26.csv"


@pytest.mark.parametrize("path", ["a/b", "a/b/", "/a//b"])
def test_a_path_format_is_folders_with_a_slash_at_its_end_or_without(path: str) -> None:
    """The name of a file never begins with a part of the path."""
    assert keys(path_format=path, file_name_format="{timestamp}").next_key(USERS) == (
        f"customerio/rejected/a/b/{EPOCH}"
    )


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("{SYNC_ID}/{Namespace}", "{DATE}{FORMAT_EXTENSION}"),
        ("${sync_id}/${NAMESPACE}/", "${Date:yyyy_MM_dd}${Format_Extension}"),
    ],
)
def test_variables_may_be_in_any_case_and_have_a_dollar_sign(path: str, file: str) -> None:
    """As the connectors have them that people come from; the letters of a date pattern keep their case."""
    key = keys(path_format=path, file_name_format=file + "{TIMESTAMP}").next_key(USERS)
    assert key == f"customerio/rejected/42/shop/2026_11_03.csv{EPOCH}"


@pytest.mark.parametrize(
    ("bucket_path", "root", "folder"),
    [
        ("rejected/${NAMESPACE}/${STREAM_NAME}", "rejected", "rejected/shop/users"),
        ("/rejected/of-{year}/rows/", "rejected", "rejected/of-2026/rows"),
        ("{sync_id}", "", "42"),
    ],
)
def test_the_bucket_path_may_have_variables(bucket_path: str, root: str, folder: str) -> None:
    """Files are looked for below its levels before the first variable."""
    values = {"bucket_path": bucket_path, "path_format": "{day}"}
    assert bucket_prefix(storage(**values)) == root
    assert keys(**values, file_name_format="{timestamp}").next_key(USERS) == f"{folder}/03/{EPOCH}"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("Zürich Ärzte", "Zurich_Arzte"),
        ("ﬁle①", "file1"),
        ("日本", "__"),
        ("a\\b\x00c%d", "a_b_c_d"),
        ("!_.*')(&$@=;:+,?-", "!_.*')(&$@=;:+,?-"),
        ("{uuid}", "_uuid_"),
        ("..", "__"),
        ("a/../../b", "a/__/__/b"),
        ("/etc//passwd", "etc/passwd"),
        ("\u0301", "_"),
        ("", "_"),
        ("...", "___"),
    ],
)
def test_a_stream_s_name_becomes_levels_inside_the_bucket_path(name: str, level: str) -> None:
    """Safe characters are kept, accents removed, all others become `_`, and no level points upwards."""
    key = keys(path_format="{stream_name}/", file_name_format="{timestamp}").next_key(Stream(name))
    assert key == f"customerio/rejected/{level}/{EPOCH}"


@pytest.mark.parametrize("path", ["a//b/", "/a/b", "a/b///", "//a/b"])
def test_slashes_around_the_bucket_path_do_not_matter(path: str) -> None:
    """A leading slash would add a level without a name."""
    assert bucket_prefix(storage(bucket_path=path)) == "a/b"


def test_a_bucket_path_of_slashes_is_the_bucket_itself() -> None:
    """Then keys begin with the path format."""
    assert keys(bucket_path="/").next_key(USERS).startswith("42/shop/users/")


@given(
    st.lists(streams, min_size=1, max_size=3),
    templates(PATH_VARIABLES),
    templates(FILE_VARIABLES),
    st.text("ab./ é", min_size=1, max_size=500).filter(str.strip),
    st.integers(1, 9),
)
def test_no_key_leaves_the_bucket_path_grows_too_long_or_comes_twice(
    streams: list[Stream], path: str, file: str, bucket_path: str, attempt_ms: int
) -> None:
    """Whatever the formats and the names, within a sync and across its attempts."""
    values = {"path_format": path, "file_name_format": file, "bucket_path": bucket_path}
    configured = storage(**values)
    try:
        prefix = bucket_prefix(configured)
    except ConfigError:
        assert max(map(len, [*bucket_path.encode().split(b"/")])) > 255
        return
    given_out = []
    for attempt in range(2):
        made = DeadLetterKeys(
            configured,
            STARTED_AT + attempt * timedelta(milliseconds=attempt_ms),
            UUID(int=attempt),
        )
        given_out += [made.next_key(stream) for _ in range(4) for stream in streams]
    assert len(set(given_out)) == len(given_out)
    for key in given_out:
        assert key.startswith(prefix + "/" if prefix else "")
        assert len(key.encode()) <= 1_024
        levels = key.split("/")
        assert all(level.strip(".") for level in levels), "an empty level, or one of dots"
        assert all(len(level.encode()) <= 255 for level in levels)


def test_formats_without_a_part_number_get_one_when_they_need_it() -> None:
    """No file overwrites another, of the same stream or of another one."""
    made = keys(path_format="{epoch}/", file_name_format="rejected{format_extension}")
    folder = f"customerio/rejected/{EPOCH}"
    assert [made.next_key(stream) for stream in (USERS, Stream("orders"), USERS)] == [
        f"{folder}/rejected.csv",
        f"{folder}/rejected_1.csv",
        f"{folder}/rejected_2.csv",
    ]


@given(
    st.lists(numbered_names, min_size=1, max_size=30),
    st.sampled_from(["", "x" * 300, "x" * 300 + "/", "x" * 1_100 + "/"]),
    st.sampled_from(["{format_extension}", "{part_number}_1", ""]),
)
def test_keys_are_unique_where_added_numbers_and_names_collide(
    names: list[str], beginning: str, file_name_end: str
) -> None:
    """However many files the streams have, and however much their keys are shortened."""
    made = keys(path_format=f"{{epoch}}/{beginning}{{stream_name}}", file_name_format=file_name_end)
    given_out = [made.next_key(Stream(name)) for name in names]
    assert len(set(given_out)) == len(given_out)


def test_a_stream_named_like_a_shortened_folder_has_keys_of_its_own() -> None:
    """Even a name that contains the hash of what was cut off."""
    made = keys(path_format="{epoch}/{stream_name}", file_name_format="{part_number}{format_extension}")
    shortened = made.next_key(Stream("x" * 2_000))
    name = shortened.split("/")[-2]
    assert len(name) == 255
    assert made.next_key(Stream(name)) == shortened.replace("0.csv", "0_1.csv")


def test_an_added_number_does_not_collide_with_other_files() -> None:
    """Streams whose names differ in an accent alone share a folder."""
    made = keys(path_format="{epoch}/{stream_name}", file_name_format="{part_number}{format_extension}")
    plain, umlaut, acute = Stream("a"), Stream("ä"), Stream("á")
    given_out = [made.next_key(stream) for stream in (plain, umlaut, acute, plain, umlaut)]
    assert [key.partition(f"{EPOCH}/")[2] for key in given_out] == [
        "a/0.csv",
        "a/0_1.csv",
        "a/0_2.csv",
        "a/1.csv",
        "a/1_1.csv",
    ]


def test_formats_without_a_time_get_the_start_time() -> None:
    """So a second attempt of the same sync does not overwrite what the first has stored."""
    values = {"path_format": "{sync_id}/", "file_name_format": "{part_number}{format_extension}"}
    assert keys(**values).next_key(USERS) == f"customerio/rejected/42/0_{EPOCH}.csv"
    later = DeadLetterKeys(storage(**values), STARTED_AT + timedelta(seconds=1), SYNC_UUID)
    assert later.next_key(USERS) == f"customerio/rejected/42/0_{int(EPOCH) + 1_000}.csv"


def test_a_shortened_key_keeps_its_beginning_and_its_extension() -> None:
    """So the sync's folder is still found, and programs still recognize the file type."""
    long = Stream("x" * 2_000, "shop", sync_id=42)
    other = Stream("x" * 2_001, "shop", sync_id=42)
    made = keys()
    key = made.next_key(long)
    assert key.startswith("customerio/rejected/42/shop/xxx")
    assert key.endswith(f"/2026_11_03_{EPOCH}_0.csv")
    assert max(map(len, key.split("/"))) == 255
    assert key != made.next_key(other)


def test_a_key_of_many_long_folders_fits() -> None:
    """Each of them may be as long as a level can be."""
    key = keys(path_format="/".join(["{stream_name}"] * 5)).next_key(Stream("x" * 255, sync_id=42))
    assert key.startswith("customerio/rejected/xxx")
    assert key.endswith(f"/2026_11_03_{EPOCH}_0.csv")
    assert len(key) == 1_024


def test_a_shortened_file_name_keeps_its_extension() -> None:
    """The hash comes before it."""
    made = keys(
        file_name_format="n" * 1_500 + "{timestamp}{format_extension}",
        compression={"compression_type": "GZIP"},
    )
    key = made.next_key(USERS)
    assert key.startswith("customerio/rejected/42/shop/users/nnn")
    assert key.endswith(".csv.gz")
    assert key != made.next_key(USERS)


@pytest.mark.parametrize(
    ("field", "template", "variable", "valid"),
    [
        ("path_format", "{stream}/", "{stream}", "{stream_name}"),
        ("path_format", "${STREAM}/", "{STREAM}", "{namespace}"),
        ("bucket_path", "rejected/{stream}/", "{stream}", "{stream_name}"),
        ("path_format", "{part_number}/", "{part_number}", "{stream_name}"),
        ("path_format", "{}/", "{}", "{stream_name}"),
        ("file_name_format", "{stream_name}", "{stream_name}", "{part_number}"),
        ("file_name_format", "{ date }", "{ date }", "{date:yyyy_MM}"),
    ],
)
def test_an_unknown_variable_is_named_with_the_valid_ones(
    field: str, template: str, variable: str, valid: str
) -> None:
    """Otherwise it would be part of every key, unnoticed."""
    with pytest.raises(ConfigError) as caught:
        keys(**{field: template})
    message = str(caught.value)
    assert field in message
    assert f"unknown variable {variable}." in message
    assert valid in message


def test_an_unknown_date_pattern_is_named() -> None:
    """Java has more letters than make sense in a file name."""
    with pytest.raises(ConfigError, match=r"unknown letters MMMM.*yyyy"):
        keys(file_name_format="{date:yyyy_MMMM}")


def test_a_bucket_path_without_room_for_names_is_refused() -> None:
    """Names are shortened, the configured folder is not."""
    for path in ("p/" * 257, "rejected/" + "p" * 256):
        with pytest.raises(ConfigError, match="shorter bucket path"):
            keys(bucket_path=path)


@pytest.mark.parametrize(
    ("rest", "is_one"),
    [
        ("_check_test", True),
        (f"_check_test_{SYNC_UUID.hex}", True),
        ("_check_test_.csv", False),
        (f"42/_check_test_{SYNC_UUID.hex}", False),
    ],
)
def test_objects_of_the_check_are_recognized(rest: str, is_one: bool) -> None:
    """Those of earlier versions have no random part."""
    assert is_test_object(rest) is is_one
