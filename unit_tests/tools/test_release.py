"""The checks of a release notice what would make it wrong."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.release import distributions, project, sbom, track_api_description
from tools.release.__main__ import check_owner, check_tag
from tools.release.changelog import section
from tools.release.project import CheckFailedError, owner, owners_by_file
from tools.release.workflows import SCHEMAS, unpinned

ROOT = Path(__file__).parents[2]
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist and the wheel of the working tree, which two builds make alike."""
    return distributions.build(tmp_path_factory.mktemp("dist"))


def test_sdist_and_wheel_contain_the_package_and_no_tests(built: tuple[Path, Path]) -> None:
    """Two builds are identical, so is a wheel built from the sdist, and nothing is missing or superfluous."""
    distributions.check_contents(*built)
    with zipfile.ZipFile(built[1]) as wheel:
        assert not [name for name in wheel.namelist() if "test" in name]


def test_a_file_too_many_in_a_wheel_is_noticed(built: tuple[Path, Path], tmp_path: Path) -> None:
    """The message names it."""
    sdist, wheel = (Path(shutil.copy(path, tmp_path)) for path in built)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("unit_tests/test_x.py", "")
    with pytest.raises(CheckFailedError, match=re.escape("['unit_tests/test_x.py'] in addition")):
        distributions.check_contents(sdist, wheel)


def test_a_file_missing_in_an_sdist_is_noticed(built: tuple[Path, Path], tmp_path: Path) -> None:
    """The message names it."""
    sdist = tmp_path / built[0].name
    with tarfile.open(built[0]) as full, tarfile.open(sdist, "w:gz") as less:
        for member in full.getmembers():
            if not member.name.endswith("/LICENSE"):
                less.addfile(member, full.extractfile(member))
    with pytest.raises(CheckFailedError, match=r"lacks \['.*/LICENSE'\]"):
        distributions.check_contents(sdist, built[1])


def test_all_addresses_name_one_owner() -> None:
    """Dockerfile, docs and package point to the same repository and image."""
    assert {name for names in owners_by_file().values() for name in names} == {owner()}
    places = {".github/CODEOWNERS", "Dockerfile", "README.md", "docs/pypi.md", "pyproject.toml"}
    assert places <= owners_by_file().keys()


@pytest.mark.parametrize("name", ["Acme", "a_b", "-a", "a-", "a--b", "a/b", ""])
def test_an_owner_who_could_own_no_image_is_refused(name: str) -> None:
    """Before any file is changed."""
    with pytest.raises(CheckFailedError, match="can't own an image"):
        project.set_owner(name)


def test_only_the_owner_publishes() -> None:
    """A fork, and a repository with the placeholder, stop before anything is published."""
    check_owner(owner().upper())
    with pytest.raises(CheckFailedError, match="Nothing was published"):
        check_owner("somebody-else")


@pytest.mark.parametrize("tag", ["v0.0.1", "0.1.0", "v0.1.0-rc1"])
def test_a_tag_of_another_version_is_refused(tag: str) -> None:
    """Before anything is published."""
    with pytest.raises(CheckFailedError, match="Nothing was published"):
        check_tag(tag)
    check_tag(f"v{project.project()['version']}")


def test_the_notes_of_a_release_are_its_section_of_the_changelog() -> None:
    """Neither the versions after nor before it."""
    text = "# Changelog\n\n## [1.1.0] - 2027-01-01\n\nNew.\n\n## [1.0.0] - 2026-01-01\n\nOld.\n"
    assert section(text, "1.1.0") == "New.\n"
    assert section(text, "1.0.0") == "Old.\n"


@pytest.mark.parametrize(
    "text", ["# Changelog\n", "## [1.0.0]\n\n## [0.9.0]\n\nOld.\n", "## [1x0.0]\n\nOther.\n"]
)
def test_a_release_without_notes_is_refused(text: str) -> None:
    """No section, or an empty one."""
    with pytest.raises(CheckFailedError, match=r"no section for 1\.0\.0"):
        section(text, "1.0.0")


@pytest.mark.parametrize(
    "reference",
    ["actions/checkout@v4", f"actions/checkout@{SHA}", "actions/checkout@main # v6.0.2", "a/b@0123 # v1.0.0"],
)
def test_an_action_that_is_not_pinned_is_noticed(reference: str) -> None:
    """A tag, a branch, a short commit, or a commit without its version."""
    assert unpinned(f"steps:\n  - uses: {reference}\n") == [reference]


def test_pinned_actions_and_own_workflows_are_accepted() -> None:
    """Subfolders of an action too."""
    lines = [f"- uses: a/b/c@{SHA} # v4.32.3", "uses: ./.github/workflows/ci.yml"]
    assert unpinned("\n".join(lines)) == []


def test_all_workflows_have_schemas_and_pinned_actions() -> None:
    """The patterns match the files that exist."""
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / ".github").rglob("*.yml")]
    assert len(files) > 6
    for file in files:
        assert sum(bool(re.fullmatch(pattern, file)) for pattern in SCHEMAS) == 1, file
        assert unpinned((ROOT / file).read_text()) == []


def test_the_sbom_is_compared_by_normalized_names_and_versions() -> None:
    """Markers of another Python or platform don't count."""
    pins = [
        'a-b==1.0 ; sys_platform != "win32"',
        'c==2.0 ; python_full_version < "3.12"',
        'c==3.0 ; python_full_version >= "3.12"',
        'd==1.0 ; sys_platform == "win32"',
    ]
    lock = "".join(f"{pin} \\\n" for pin in pins)
    own = project.project()
    connector = {"name": "airbyte_destination.customerio", "version": own["version"]}
    document = {
        "metadata": {"component": connector},
        "components": [{"name": "A_B", "version": "1.0"}, {"name": "c", "version": "3.0"}],
    }
    assert sbom.components(document) == sbom.expected(lock, "3.13")
    assert sbom.components(document) != sbom.expected(lock, "3.11")


def described(**changes: object) -> bytes:
    """A small description of an API."""
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"description": {"type": "string"}},
        **changes,
    }
    return json.dumps({"info": {"version": "1"}, "components": {"schemas": {"person": schema}}}).encode()


@pytest.mark.parametrize("change", [{"description": "New words."}, {"example": {"a": 1}}, {"x-tag": "y"}])
def test_new_prose_in_the_apis_description_is_no_change(change: dict[str, object]) -> None:
    """Nobody has to act."""
    assert track_api_description.digest(described(**change)) == track_api_description.digest(described())


@pytest.mark.parametrize(
    "change",
    [{"required": ["email"]}, {"properties": {}}, {"properties": {"description": {"maxLength": 10}}}],
)
def test_a_new_shape_in_the_apis_description_is_a_change(change: dict[str, object]) -> None:
    """Even of a property with the name of a member that holds prose."""
    assert track_api_description.digest(described(**change)) != track_api_description.digest(described())


def test_a_changed_description_says_what_to_do() -> None:
    """Also if no digest was ever recorded."""
    compare = track_api_description.compare
    assert compare("a", "a") is None
    for complaint in (compare("a", "b"), compare("a", None)):
        assert complaint is not None
        assert "--record" in complaint
