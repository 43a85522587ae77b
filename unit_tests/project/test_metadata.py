"""What the registry is told of the connector is valid there, complete, and what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import (
    ConnectorMetadataDefinitionV0,
)

from destination_customerio.config.model import EU_TRACK_URL, US_TRACK_URL
from destination_customerio.config.spec import DOCUMENTATION_URL, connection_specification

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILE: dict[str, Any] = yaml.safe_load((ROOT / "metadata.yaml").read_text())
METADATA = FILE["data"]
# The definition of airbyte/destination-customer-io: a registry that holds both must tell them apart.
REFERENCE_DEFINITION_ID = "c101b15f-2de9-4616-b54f-0ec9d28ca64d"


def medians(text: str, *headings: str) -> Iterator[list[float]]:
    """From each row of the tables that have all these columns: the figure that stands first in each cell."""
    where: list[int] | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            where = None
        elif where is None:
            where = [cells.index(name) for name in headings] if set(headings) <= set(cells) else []
        elif where and not cells[0].startswith("---"):
            yield [float(cells[place].split()[0]) for place in where]


def test_the_file_is_what_the_registry_accepts() -> None:
    """By the registry's own model, which takes no key that it doesn't know."""
    accepted = ConnectorMetadataDefinitionV0.model_validate(FILE)
    assert accepted.data.docker_repository == "airbyte/destination-customerio"


def test_the_fields_that_make_it_a_data_activation_destination_are_set() -> None:
    """Kind, stage, support, and what the platform sends it."""
    wanted = {
        "connectorType": "destination",
        "connectorSubtype": "api",
        "releaseStage": "alpha",
        "supportLevel": "community",
        "license": "MIT",
        "supportsDataActivation": True,
        "supportsRefreshes": True,
        "documentationUrl": DOCUMENTATION_URL,
    }
    assert {key: METADATA[key] for key in wanted} == wanted
    assert METADATA["tags"] == ["language:python", "cdk:python"]


def test_it_is_a_connector_of_its_own() -> None:
    """Neither the definition nor the image of the connector that it replaces."""
    assert METADATA["definitionId"] != REFERENCE_DEFINITION_ID
    assert METADATA["dockerRepository"] != "airbyte/destination-customer-io"


def test_every_host_that_is_connected_to_is_allowed() -> None:
    """Both hosts of the Track API, AWS, and the two that a configuration may name; each name is one of the spec."""
    hosts = METADATA["allowedHosts"]["hosts"]
    for url in (US_TRACK_URL, EU_TRACK_URL):
        assert url.removeprefix("https://") in hosts
    assert "*.amazonaws.com" in hosts
    properties = connection_specification()["properties"]
    bucket = properties["object_storage_config"]["oneOf"][1]["properties"]
    known = {*properties, *(f"object_storage_config.{key}" for key in bucket)}
    named = set(re.findall(r"\$\{(.+?)\}", " ".join(hosts)))
    assert named <= known
    assert named == {"track_api_url", "object_storage_config.s3_endpoint"}


def test_the_resources_hold_what_the_benchmarks_measured() -> None:
    """No process of the results took more cores than the limit, nor a sync more memory than is asked for."""
    (job,) = METADATA["resourceRequirements"]["jobSpecific"]
    given = job["resourceRequirements"]
    results = (ROOT / "benchmarks/results.md").read_text()
    cores = [cpu / wall for wall, cpu in medians(results, "wall, s", "CPU, s")]
    assert 0.7 < max(cores) <= float(given["cpu_limit"]) + 0.05
    (peak,) = re.findall(r"peak under \d+ MB \| (\d+) MB at most", results)
    assert int(peak) * 10**6 < int(given["memory_request"].removesuffix("Mi")) * 2**20


def test_the_test_suites_that_are_declared_are_there() -> None:
    """The registry's own runners look for them by these names."""
    assert [suite["suite"] for suite in METADATA["connectorTestSuitesOptions"]] == [
        "unitTests",
        "integrationTests",
        "acceptanceTests",
    ]
    for path in ("unit_tests", "integration_tests", "acceptance-test-config.yml", METADATA["icon"]):
        assert (ROOT / path).exists()


def test_the_page_of_the_documentation_has_the_version() -> None:
    """The changelog there names what the image is tagged with."""
    page = (ROOT / "docs/integrations/destinations/customerio.md").read_text()
    assert f"| {METADATA['dockerImageTag']} |" in page.split("## Changelog")[1]
