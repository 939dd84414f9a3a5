# One word per job; `make help` lists them. Everything runs in .venv, installed from hashed requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
LOCK := uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11
.DEFAULT_GOAL := help
.PHONY: help demo test check golden docs bench bench-check image lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.run ## run the exporter against a simulated GitHub: no token, no network
	$(BIN)/github-enterprise-exporter demo

test: $(VENV)/.dev ## run all tests, with a real Prometheus (installed when missing, as root)
	sh tests/install-tools.sh
	sh tests/run.sh $(BIN)/python $(PYTEST_ARGS)

check: $(VENV)/.dev ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

golden: $(VENV)/.dev ## write the golden /metrics texts anew; review the diff
	$(BIN)/python -m pytest tests/test_golden.py --golden-update

docs: $(VENV)/.dev ## write docs/metrics.md, docs/configuration.md and the dashboards from the code
	$(BIN)/github-enterprise-exporter metrics > docs/metrics.md
	$(BIN)/python -c "from exporter.commands import configuration_reference; print(configuration_reference(), end='')" > docs/configuration.md
	$(BIN)/python -m grafana
	$(BIN)/python deploy/kubernetes/components/prometheus-rule/generate.py

bench: $(VENV)/.dev ## measure; figures are ratios from one run
	$(BIN)/python -m tests.bench

bench-check: $(VENV)/.dev ## fail if a ratio is below its floor
	$(BIN)/python -m tests.bench --check

image: ## build the image and run it, without a daemon (as root on Debian)
	deploy/image-test.sh

lock: ## resolve the requirements anew (needs uv); no file names a registry
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --group dev -o requirements-dev.txt
	$(LOCK) --group build -o requirements-build.txt

clean: ## remove what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	sh tests/install-venv.sh $(PYTHON) $(VENV)

$(VENV)/.run: requirements.txt requirements-build.txt pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements.txt -r requirements-build.txt
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements-dev.txt
	$(PIP) --no-build-isolation --editable .
	touch $@ $(VENV)/.run
