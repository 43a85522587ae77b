"""`metadata.yaml` is valid for the registry, and true of the connector."""

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


def medians(text: str, *headings: str) -> Iterator[list[float]]:
    """From each row of the tables that have all these columns, except the least writer's: the first figure of each cell."""
    where: list[int] | None = None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            where = None
        elif where is None:
            where = [cells.index(name) for name in headings] if set(headings) <= set(cells) else []
        elif where and not cells[0].startswith(("---", "the least writer")):
            yield [float(cells[place].split()[0]) for place in where]


def test_the_registry_accepts_the_file() -> None:
    """By the registry's own model, which refuses unknown keys."""
    accepted = ConnectorMetadataDefinitionV0.model_validate(FILE)
    assert accepted.data.docker_repository == "airbyte/destination-customerio"


def test_spec_and_registry_link_to_the_same_documentation() -> None:
    """The form and the catalog open one page."""
    assert METADATA["documentationUrl"] == DOCUMENTATION_URL


def test_every_host_that_the_connector_reaches_is_allowed() -> None:
    """Both Track API hosts, AWS, and the two that a configuration may name: Airbyte Cloud blocks all others."""
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


def test_the_resources_cover_what_the_benchmarks_measured() -> None:
    """No measured process used more cores than the limit, and no sync more memory than is requested."""
    (job,) = METADATA["resourceRequirements"]["jobSpecific"]
    given = job["resourceRequirements"]
    results = (ROOT / "benchmarks/results.md").read_text()
    cores = [cpu / wall for wall, cpu in medians(results, "wall, s", "CPU, s")]
    assert 0.7 < max(cores) <= float(given["cpu_limit"]) + 0.05
    (peak,) = re.findall(r"peak under \d+ MB \| (\d+) MB at most", results)
    assert int(peak) * 10**6 < int(given["memory_request"].removesuffix("Mi")) * 2**20
