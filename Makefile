# Plain `make` lists the targets.
# Needs Python 3.11 to 3.13. If `python3` is another version: make PYTHON=python3.12 ...

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYAIRBYTE := $(VENV)/.pyairbyte-installed
BENCH := $(VENV)/.bench-installed
QA := $(VENV)/.qa-installed
RELEASE := $(VENV)/.release-installed
SECOND_STORE := $(VENV)/.second-store-installed

# Owns the repository and the image; [project.urls] in pyproject.toml is the one place that says so.
OWNED_BY := $(shell sed -n 's|^Repository = "https://github.com/\(.*\)/.*|\1|p' pyproject.toml)
IMAGE_NAME := ghcr.io/$(OWNED_BY)/destination-customerio
IMAGE := $(IMAGE_NAME):dev
REVISION := $(shell git rev-parse HEAD 2>/dev/null)
# The commit's date, not the build's: the same commit makes the same labels.
CREATED := $(shell git log -1 --format=%cI 2>/dev/null)

# --universal: one lock file for every supported Python and platform, using markers.
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links

# Twice as many workers as cores, as tests mostly wait for processes and timers.
WORKERS := $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))

# Printed with the command; `make chaos SEED=...` reproduces a run's generated inputs.
SEED := $(shell date +%s)
PROPERTY_SUITES := $(addprefix unit_tests/,sync/test_pipeline_model.py test_ledger.py delivery/test_batch.py delivery/test_attempts.py delivery/test_splitting.py delivery/test_endpoint_batcher.py delivery/test_partitioner.py airbyte/test_messages.py)

.DEFAULT_GOAL := help
.PHONY: help install lint types test pyairbyte test-pyairbyte demo docs lock image test-image qa clean chaos audit bench profile release-check sbom owner image-name test-live second-store

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Create .venv with the locked dependencies and this project (editable)

lint: $(STAMP) ## Check style and formatting with ruff, and the layers with import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo

types: $(STAMP) ## Check types with mypy, tests included
	$(BIN)/mypy

# Tests run last, so that pytest's summary is the last line of output.
test: lint types ## Run lint, types and all tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

pyairbyte: $(PYAIRBYTE) ## Install PyAirbyte and a source, needed by the PyAirbyte tests (800 MB)

test-pyairbyte: $(PYAIRBYTE) ## Sync a real source through PyAirbyte into a local Track API
	$(BIN)/python -m pytest integration_tests/test_pyairbyte.py

# LIVE_TEST_CONFIG names another file with a configuration.
test-live: $(STAMP) ## Test a real workspace (secrets/config.json), and record what it answers (docs/live-test.md)
	RECORDING=live-recording.jsonl $(BIN)/python -m pytest -p no:xdist integration_tests/test_live.py
	@if test -f live-recording.jsonl; then \
		$(BIN)/python -m tools.live_recording.replay live-recording.jsonl || \
		echo "That is news: please attach live-recording.jsonl to an issue."; \
	fi

second-store: $(SECOND_STORE) ## Install s3rver from npm, so that the bucket's process tests run against it too

demo: $(STAMP) ## Sync sample rows into a local Track API; needs no account
	@$(BIN)/python -m tools.demo

# About fifteen minutes. Figures are only written if every test passes.
chaos: $(STAMP) ## Run the fault suite at length and write its figures into docs/reliability.md
	@rm -f $(VENV)/fault-figures.jsonl
	FAULT_SUITE=long FAULT_FIGURES=$(CURDIR)/$(VENV)/fault-figures.jsonl HYPOTHESIS_PROFILE=long \
		$(BIN)/python -m pytest --hypothesis-seed=$(SEED) integration_tests/faults integration_tests/test_replay_interrupted.py integration_tests/test_replay_foreign_files.py $(PROPERTY_SUITES)
	$(BIN)/python -m integration_tests.faults.figures $(VENV)/fault-figures.jsonl

# About twenty minutes. An idle machine gives narrower ranges; the ratios hold on any. `BENCH_OPTIONS="--write NAME"` measures
# one again; `BENCH_OPTIONS=--documents` writes the documents from benchmarks/results.json.
bench: $(BENCH) ## Run the benchmarks and write results into benchmarks/ and docs/performance.md
	$(BIN)/python -m benchmarks --compared-python $(VENV)/bench/bin/python $(BENCH_OPTIONS)

profile: $(BENCH) ## Profile a write: print where the time per row goes
	@$(BIN)/python -m benchmarks.where_time_goes $(VENV)/bench/bin/py-spy

# --strict: a package that can't be looked up is a failure, not a clean result. Accepted findings are in docs/security.md.
audit: $(STAMP) ## Check the locked dependencies for known vulnerabilities (needs the internet)
	@$(BIN)/uv tool run pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
		--ignore-vuln CVE-2025-9375 \
		--requirement locks/connector.lock || { \
		echo "A vulnerability is listed above, or the advisory database was unreachable: see docs/security.md."; exit 1; }

docs: $(STAMP) ## Regenerate the parts of the documentation that come from the code, pictures included
	$(BIN)/python -m tools.generated_docs
	$(BIN)/python -m tools.screenshots

lock: $(STAMP) ## Refresh the pinned versions in locks/
	$(COMPILE) pyproject.toml --output-file locks/connector.lock
	$(COMPILE) pyproject.toml --excludes locks/image-excludes.txt --constraints locks/connector.lock --output-file locks/image.lock
	$(COMPILE) pyproject.toml --group dev --constraints locks/connector.lock --output-file locks/dev.lock
	$(COMPILE) --group build --constraints locks/dev.lock --output-file locks/build.lock
	$(COMPILE) --group pyairbyte --output-file locks/pyairbyte.lock
	$(COMPILE) --group source-faker --output-file locks/source-faker.lock
	$(COMPILE) --group qa --output-file locks/qa.lock
	$(COMPILE) --group release --output-file locks/release.lock
	$(COMPILE) --group bench --constraints locks/dev.lock --output-file locks/bench.lock

image: ## Build the connector's image (BASE_IMAGE=... for another base)
	@if ! docker version >/dev/null 2>&1; then \
		echo "'docker version' finds no container engine: the image was not built."; \
	else \
		docker build $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
			--build-arg REVISION=$(REVISION) --build-arg CREATED=$(CREATED) --tag $(IMAGE) .; \
	fi

# The CDK's standard tests take the image as an option. Without an engine, `image` and this target say so and succeed.
test-image: image $(STAMP) ## Build the image and run it over pipes against a local Track API and a local S3
	@if docker version >/dev/null 2>&1; then \
		CONNECTOR_IMAGE=$(IMAGE) BASE_IMAGE=$(BASE_IMAGE) $(BIN)/python -m pytest \
			--connector-image $(IMAGE) integration_tests/test_image.py integration_tests/test_airbyte_standards.py; \
	else \
		echo "'docker version' finds no container engine: the image tests were skipped."; \
	fi

qa: $(QA) ## Run the checks of Airbyte's connector registry (downloads 700 MB the first time)
	@if test -x $(VENV)/qa/bin/python; then \
		$(VENV)/qa/bin/python tools/registry_qa.py; \
	else \
		echo "The registry's checks need Python 3.12 or older: skipped."; \
	fi

release-check: $(RELEASE) ## Check everything about a release that needs no publishing; leaves it in dist/
	@$(BIN)/python -m tools.release $(RELEASE_OPTIONS)

sbom: image $(RELEASE) ## List what the image contains (dist/sbom.cdx.json), and compare it with the lock file
	@if docker version >/dev/null 2>&1; then \
		$(BIN)/python -m tools.release.sbom $(IMAGE) dist/sbom.cdx.json; \
	else \
		echo "'docker version' finds no container engine: no SBOM was made."; \
	fi

owner: $(STAMP) ## Name the owner of the repository and the image everywhere (OWNER=...)
	@$(BIN)/python -m tools.release.project $(OWNER)

image-name: ## Print the image's name without a tag
	@echo $(IMAGE_NAME)

clean: ## Remove .venv, caches and build artifacts
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): locks/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "'$(PYTHON)' is not Python 3.11 to 3.13. Use one that is: make PYTHON=python3.12"; exit 1; }
	@echo "Installing into $(VENV) (about a minute the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Neither runs on Python 3.13 yet; the tests are then skipped.
$(PYAIRBYTE): $(STAMP) locks/pyairbyte.lock locks/source-faker.lock
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || \
		{ echo "PyAirbyte needs Python 3.12 or older, but $(VENV) has a newer one: not installed."; exit 0; }; \
	echo "Installing PyAirbyte and its source-faker into $(VENV) ..."; \
	for name in pyairbyte source-faker; do \
		$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/$$name && \
		$(BIN)/uv pip install --quiet --python $(VENV)/$$name/bin/python --require-hashes \
			-r locks/$$name.lock || exit 1; \
	done; \
	touch $@

# Its scripts are not run; it needs none. Without it, its tests are skipped.
$(SECOND_STORE): $(STAMP) locks/s3rver/package.json locks/s3rver/package-lock.json
	@if ! npm --version >/dev/null 2>&1; then \
		echo "npm is not installed: the bucket's tests run against moto alone."; \
	else \
		mkdir -p $(VENV)/s3rver && cp locks/s3rver/*.json $(VENV)/s3rver/ && \
		if npm ci --prefix $(VENV)/s3rver --ignore-scripts --no-audit --no-fund --silent; then \
			touch $@; \
		else \
			rm -rf $(VENV)/s3rver; \
			echo "s3rver could not be installed from npm: the bucket's tests run against moto alone."; \
		fi; \
	fi

# As above; the checks need other versions than the connector.
$(QA): $(STAMP) locks/qa.lock
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || exit 0; \
	echo "Installing the registry's checks into $(VENV) ..."; \
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/qa && \
	$(BIN)/uv pip install --quiet --python $(VENV)/qa/bin/python --require-hashes -r locks/qa.lock || exit 1; \
	touch $@

# The linters, twine and the SBOM generator, in a separate environment.
$(RELEASE): $(STAMP) locks/release.lock
	@echo "Installing the tools for releases into $(VENV) ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/release
	@$(BIN)/uv pip install --quiet --python $(VENV)/release/bin/python --require-hashes -r locks/release.lock
	@touch $@

# The libraries to compare with, and matplotlib, in a separate environment.
$(BENCH): $(STAMP) locks/bench.lock
	@echo "Installing the libraries for the benchmarks into $(VENV) ..."
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/bench
	@$(BIN)/uv pip install --quiet --python $(VENV)/bench/bin/python --require-hashes -r locks/bench.lock
	@touch $@
