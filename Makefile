# Two commands matter: `make demo` and `make test`. Both set up what they need on a machine with Python 3 and make.
# `make help` lists the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
RELAY_VENV := .venv-relay
NODE := tests/support/node
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
UV_VERSION := 0.13.8

# ---------------------------------------------------------------- people

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.ready ## one job end to end on this machine: relay, node, customer, receipt
	@$(BIN)/dvm demo

.PHONY: test
test: ## everything that must be green
	@$(MAKE) check
	@$(MAKE) unit
	@$(MAKE) sim
	@$(MAKE) integration
	@$(MAKE) hostile
	@$(MAKE) golden
	@$(MAKE) e2e

# ---------------------------------------------------------------- the parts of make test

.PHONY: check
check: $(VENV)/.ready-dev ## style, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports
	@$(BIN)/python examples/check.py
	@if [ -x $(BIN)/shellcheck ]; then $(BIN)/shellcheck deploy/*.sh examples/*.sh .ci/run; fi

.PHONY: unit
unit: $(VENV)/.ready-dev ## tests without I/O, and the rules of the house
	@$(PYTEST) tests/unit tests/test_house.py

.PHONY: sim
sim: $(VENV)/.ready-dev ## the deterministic simulation, 300 seeds
	@$(PYTEST) tests/sim

.PHONY: torture
torture: $(VENV)/.ready-dev ## the simulation, 10,000 seeds; every hostile program, slow ones too
	@$(BIN)/python -m tests.sim --seeds 0:10000
	@HOSTILE_SLOW=1 $(PYTEST) tests/hostile

.PHONY: hostile
hostile: $(VENV)/.ready-dev ## programs that want to hurt the node, in the real sandbox
	@$(PYTEST) tests/hostile

.PHONY: golden
golden: $(VENV)/.ready-dev ## runs whose output, fuel and memory are written down
	@$(PYTEST) tests/golden

.PHONY: test-aarch64
test-aarch64: $(VENV)/.ready-dev ## the same on an emulated aarch64 (Debian; skipped where it cannot be had)
	@$(BIN)/python -m tests.golden.aarch64

.PHONY: integration
integration: $(VENV)/.ready-dev $(RELAY_VENV)/.ready node ## real relays, real SQLite files, real child processes
	@$(PYTEST) tests/integration

.PHONY: e2e
e2e: $(VENV)/.ready-dev $(RELAY_VENV)/.ready node ## the installed dvm command
	@$(PYTEST) tests/e2e

# ---------------------------------------------------------------- figures

.PHONY: bench
bench: $(VENV)/.ready-dev ## print latency, throughput, memory, and the floors under them
	@$(BIN)/python -m tests.bench

# ---------------------------------------------------------------- examples

.PHONY: examples
examples: $(VENV)/.ready ## build the example components from source and compare with the committed ones
	@PYTHON=$(BIN)/python examples/build.sh
	@$(BIN)/python examples/check.py

# ---------------------------------------------------------------- set-up; each is instant the second time

INPUTS := requirements-build.lock pyproject.toml deploy/venv.sh deploy/check_python.py

$(VENV)/.ready: requirements.lock $(INPUTS)
	@deploy/venv.sh $(VENV) requirements.lock editable
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock requirements.lock $(INPUTS)
	@deploy/venv.sh $(VENV) requirements-dev.lock editable
	@touch $(VENV)/.ready $@

$(RELAY_VENV)/.ready: tests/support/nostr-relay.lock requirements-build.lock deploy/venv.sh deploy/check_python.py
	@deploy/venv.sh $(RELAY_VENV) tests/support/nostr-relay.lock
	@touch $@

.PHONY: node
node:
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		$(MAKE) -s $(NODE)/node_modules/.ready; \
	else \
		echo "Node and npm are missing, so the tests with nostr-tools will be skipped; to run them: sudo apt install nodejs npm"; \
	fi

$(NODE)/node_modules/.ready: $(NODE)/package.json $(NODE)/package-lock.json
	@cd $(NODE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# ---------------------------------------------------------------- maintainers

.PHONY: format
format: $(VENV)/.ready-dev ## rewrite the sources in the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: lock
lock: .venv-lock/.ready ## write the locks anew; LOCK_FLAGS=--upgrade moves to newer versions
	@.venv-lock/bin/python deploy/lock.py write --uv .venv-lock/bin/uv $(LOCK_FLAGS)

.PHONY: lock-check
lock-check: $(VENV)/.ready-dev ## download every locked file for both architectures and three Pythons
	@$(BIN)/python deploy/lock.py check

.venv-lock/.ready: Makefile
	@python3 -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet uv==$(UV_VERSION)
	@touch $@

.PHONY: clean
clean: ## remove what the other targets set up
	rm -rf $(VENV) $(RELAY_VENV) .venv-lock .aarch64 $(NODE)/node_modules examples/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
