# Needs make and Python 3.11 or later with its venv module; everything else is installed into .venv from requirements.lock.
# Another Python: make PYTHON=/path/to/python3.12 …

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
TESTS ?= tests

# Without cached bytecode every process of ours would compile its libraries again at each start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help:  ## Show what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

.PHONY: run
run: $(READY)  ## Start everything on this machine, play the demo day, run until Ctrl-C
	@$(BIN)/switchboard up

.PHONY: test
test: $(READY)  ## Run the tests; TESTS=tests/inbox narrows them
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not faults and not clients" $(TESTS)

.PHONY: check
check: lint types imports drift architecture  ## Run all that CI runs beside the tests

.PHONY: lint
lint: $(READY)  ## Check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: $(READY)  ## Check types
	$(BIN)/mypy

.PHONY: imports
imports: $(READY)  ## Check who may import whom
	$(BIN)/lint-imports

.PHONY: drift
drift: $(READY)  ## Check that the printed contract is the one the code has
	$(BIN)/python -m server.schema.contract --check

.PHONY: architecture
architecture: $(READY)  ## Run the tests of the house rules
	$(BIN)/python -m pytest -n 0 tests/architecture

.PHONY: contract
contract: $(READY)  ## Write the generated files of frontend-contract/
	$(BIN)/switchboard schema print

.PHONY: migrate
migrate: $(READY)  ## Bring the database to the newest migration
	$(BIN)/switchboard migrate

.PHONY: migration
migration: $(READY)  ## Draft a migration from the models: make migration name="add labels to contacts"
	@test -n "$(name)" || { echo 'Say what it does: make migration name="add labels to contacts"' >&2; exit 2; }
	$(BIN)/switchboard migration "$(name)"

.PHONY: bench
bench: $(READY)  ## Print the benchmarks' ratios
	$(BIN)/python -m bench

.PHONY: faults
faults: $(READY)  ## Run the long tests that kill processes
	$(BIN)/python -m pytest -n 0 -s -m faults tests/faults tests/kit tests/tenancy

.PHONY: clients
clients: $(READY)  ## Run the client libraries of others, which need Node 20, against our servers
	@command -v npm >/dev/null || if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; fi
	$(BIN)/python -m pytest -n 0 -m clients tests/clients

.PHONY: lock
lock:  ## Resolve requirements.lock anew (needs uv)
	printf 'setuptools>=77\n' | uv pip compile --quiet --universal --python-version 3.11 --all-extras \
		--generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml - -o requirements.lock

.PHONY: clean
clean:  ## Remove .venv, caches and everything local under var/, the database included
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A Python counts only if it runs (shims may not), is new enough, and can make a venv that has pip.
$(READY): requirements.lock
	@if ! $(BIN)/python -c '' 2>/dev/null; then \
		for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
			if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
				echo "making $(VENV) with $$($$python --version)"; \
				exec $$python -m venv --clear $(VENV); \
			fi; \
			$(if $(PYTHON),break;) \
		done; \
		echo 'No Python 3.11 or later here that can make a virtual environment.' >&2; \
		echo 'On Debian and Ubuntu: apt install python3 python3-venv (ensurepip is in the second).' >&2; \
		echo 'Or name one: make PYTHON=/path/to/python3.12' >&2; \
		exit 1; \
	fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --default-pip >/dev/null
	@echo 'installing requirements.lock'
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@
