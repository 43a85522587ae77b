"""The standard tests of Airbyte's CDK, with the scenarios of `acceptance-test-config.yml` and no account.

The scenarios' files are real configurations; only the addresses (of the Track API and of S3) are put in here, as the
local servers take free ports. The CDK's tests of the image run when one is named: `make test-image`.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.test.standard_tests import DestinationTestSuiteBase

from destination_customerio.cdk import DestinationCustomerIO
from integration_tests.test_image import engine_answers
from tools.local_track_api import LocalTrackApi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airbyte_cdk.test.models import ConnectorTestScenario

    from integration_tests.buckets import Bucket

ROOT = Path(__file__).parent.parent


class TestDestinationCustomerIO(DestinationTestSuiteBase):
    """Spec, check, and configurations against the spec; in this process, and in the image where one is named."""

    connector = DestinationCustomerIO
    # The CDK takes the name of the folder, which may be anything in a clone.
    connector_name = "destination-customerio"

    # For sources: the CDK itself skips them here.
    test_docker_image_build_and_discover = None  # type: ignore[assignment]
    test_docker_image_build_and_read = None  # type: ignore[assignment]
    # Asks Airbyte's public registry, which holds no version of this connector yet.
    test_docker_image_spec_backward_compatibility = None  # type: ignore[assignment]

    @classmethod
    def get_scenarios(cls) -> list[ConnectorTestScenario]:
        """The scenarios, each with its configuration read, so that the addresses can be put in."""
        scenarios = super().get_scenarios()
        read = [
            scenario.get_config_dict(connector_root=ROOT, empty_if_missing=False) for scenario in scenarios
        ]
        return [
            scenario.model_copy(update={"config_dict": config})
            for scenario, config in zip(scenarios, read, strict=True)
        ]

    @classmethod
    def _connector_image(
        cls, connector_image_override: str | None, connector_base_image_override: str | None
    ) -> str:
        """The image that is named; the CDK would build another from a Dockerfile that it downloads."""
        del connector_base_image_override
        if connector_image_override is None:
            pytest.skip("No image is named by --connector-image: `make test-image` builds one and names it.")
        if not engine_answers():
            pytest.skip("No container engine answers to 'docker version'.")
        return connector_image_override

    @pytest.fixture(autouse=True)
    def _network_of_the_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The CDK starts containers in a network of their own; a `docker` of ours lets them reach loopback."""
        if client := shutil.which("docker"):
            script = tmp_path / "docker"
            run = 'if [ "$1" = run ]; then shift; set -- run --network host "$@"; fi\n'
            script.write_text(f'#!/bin/sh\n{run}exec {shlex.quote(client)} "$@"\n')
            script.chmod(0o755)
            monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    @pytest.fixture(autouse=True)
    def _addresses(self, request: pytest.FixtureRequest, bucket: Bucket) -> Iterator[None]:
        """Local servers, and their addresses in the scenario's configuration."""
        if "scenario" not in request.fixturenames:
            yield
            return
        config: dict[str, Any] = request.getfixturevalue("scenario").config_dict
        with LocalTrackApi("standard-tests-site", "standard-tests-api-key") as api:
            config["track_api_url"] = api.url
            if storage := config.get("object_storage_config"):
                storage["s3_endpoint"] = bucket.endpoint
                if " " in storage["s3_bucket_name"]:
                    storage["s3_bucket_name"] = bucket.name
            yield
