"""Airbyte CDK hooks that read `acceptance-test-config.yml`; pytest only accepts plugins in the root conftest."""

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]
