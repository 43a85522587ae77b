"""The hooks by which Airbyte's CDK reads `acceptance-test-config.yml`; pytest takes plugins at the root alone."""

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]
