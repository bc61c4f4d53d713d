# Everything that one does with this repository. `make` alone explains.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
MYPYPATH := protos:libs/common:libs/vision:libs/monitoring:libs/bundles:libs/datasets:libs/training:libs/client:libs/local:libs/sim:services/ingest:services/inference:services/drift:services/labeling:services/trainer:services/alerting
LOCK := uv pip compile --python-version 3.11 --generate-hashes --no-header --no-annotate
PROTOS := $(wildcard protos/cvops_protos/v1/*.proto)

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: setup
setup: $(STAMP)  ## virtual environment, locked dependencies, engines

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	# pip would compile on one core; what does not compile (templates of packages) is no concern of ours.
	$(BIN)/python -m compileall -q -q -j 0 .venv/lib || true
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m cvops_local.prepare
	touch $@

.PHONY: test
test: setup  ## all tests, on real engines
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "not e2e and not long"
	$(BIN)/python -m pytest -m "e2e and not long"

.PHONY: demo
demo: setup  ## a fleet whose world changes, and a platform that notices, learns and recovers
	$(BIN)/cvops demo

.PHONY: demo-champion
demo-champion: setup  ## trains the model that the demo begins with anew (3 minutes)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m cvops_local.demo.champion

.PHONY: lint
lint: setup  ## style, types, the direction of imports, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=$(MYPYPATH) $(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory protos-check

.PHONY: format
format: setup  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: protos
protos: setup  ## generate the code of the contracts
	cd protos && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. \
	  --plugin=protoc-gen-mypy=../$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=../$(BIN)/protoc-gen-mypy_grpc \
	  --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS:protos/%=%)

.PHONY: protos-check
protos-check: setup  ## the generated code is that of the contracts
	$(BIN)/python tools/check_protos.py

.PHONY: compose-check
compose-check: setup  ## docker-compose.yml is valid
	$(BIN)/python tools/check_compose.py

.PHONY: test-s3
test-s3: setup  ## the tests of the object store against an S3 server (needs Go)
	tools/with_s3.sh $(BIN)/python -m pytest -m s3

.PHONY: test-containers
test-containers: setup  ## the tests against containers (needs Docker)
	CVOPS_TEST_CONTAINERS=1 $(BIN)/python -m pytest -m containers

.PHONY: bench
bench: setup  ## measure; prints tables
	$(BIN)/python -m tests.bench

.PHONY: chaos
chaos: setup  ## an episode while a random process is killed every 15 s (8 minutes)
	$(BIN)/python -m pytest tests/e2e/test_chaos.py -m long -s

.PHONY: quiet-day
quiet-day: setup  ## 24 simulated hours in which nothing happens: nobody is told (10 minutes)
	$(BIN)/python -m pytest tests/e2e/test_quiet_day.py -m long -s

.PHONY: bench-loop
bench-loop: setup  ## every scenario of the demo with three seeds (80 minutes)
	$(BIN)/python -m tests.bench loop

.PHONY: bench-drift
bench-drift: setup  ## monitoring beside its targets and the customary monitor
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench drift

.PHONY: lock
lock:  ## resolve the dependencies anew (needs uv)
	$(LOCK) --all-extras pyproject.toml requirements/build.in -o requirements/dev.txt
	$(LOCK) -c requirements/dev.txt requirements/build.in -o requirements/build.txt
	for service in ingest inference drift labeling trainer alerting; do \
	  $(LOCK) --extra $$service -c requirements/dev.txt pyproject.toml -o requirements/$$service.txt || exit 1; done

.PHONY: clean
clean:  ## remove what was built
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache
