# `make run` works the main job on a simulated port; `make test` checks everything.
# Needs make, bash and Python 3.11 or newer; uses uv where there is one, else venv and pip. Both
# install the versions of the lock.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
SIM ?= runs/vostochny-sim
INSTALLER ?= $(shell uv --version >/dev/null 2>&1 && echo uv || echo pip)
INSTALLED := $(VENV)/.installed-$(INSTALLER)
PYTEST_FLAGS ?= -q -n 2 --dist loadfile
# Tests that read files and no package: the lowest versions say nothing to them.
VERSIONLESS := docs environment exports layers packaging

export OMP_NUM_THREADS ?= 1
export UV_PROJECT_ENVIRONMENT := $(VENV)

.PHONY: help install run test lint types pytest wheel smoke lowest bench lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 18

install: $(INSTALLED)  ## install eo and what its tests need, from the lock, into .venv

$(VENV)/.installed-uv: pyproject.toml uv.lock
	uv sync --quiet --locked --inexact --compile-bytecode --extra test
	@touch $@

$(VENV)/.installed-pip: pyproject.toml requirements.lock
	@python=""; \
	for candidate in python3.13 python3.12 python3.11 python3 python; do \
	  if $$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2])' \
	      >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "eo needs Python 3.11 or newer with venv and pip (found: $$(python3 --version 2>&1 || true))." >&2; \
	  echo "Install one (Debian: apt install python3 python3-venv), or install uv." >&2; exit 1; \
	fi; \
	[ -x $(BIN)/pip ] || "$$python" -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

run: $(INSTALLED)  ## simulate a season at Vostochny once, then run it from search to report
	$(BIN)/eo simulate $(SIM)
	$(BIN)/eo run $(SIM)/campaign.yaml

test: lint types pytest  ## lint, types, tests

lint: $(INSTALLED)  ## ruff, rules and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)  ## mypy, strict
	$(BIN)/mypy

pytest: $(INSTALLED)  ## the tests alone
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

wheel: $(INSTALLED)  ## build wheel and sdist into dist/
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

smoke: wheel  ## install wheel and sdist in fresh environments and run a small campaign
	INSTALLER=$(INSTALLER) .ci/smoke

lowest: pyproject.toml  ## tests at the lowest versions that pyproject.toml allows (needs uv)
	uv venv --quiet --allow-existing .make/lowest
	uv pip install --quiet --python .make/lowest --resolution lowest-direct -e '.[test]'
	.make/lowest/bin/python -m pytest $(PYTEST_FLAGS) -m 'not slow and not data' -p no:cacheprovider \
	  -W ignore::DeprecationWarning $(addprefix --ignore=tests/test_,$(addsuffix .py,$(VERSIONLESS)))

bench: $(INSTALLED)  ## speed and memory, each a ratio taken in one run, into runs/bench
	mkdir -p runs/bench
	$(BIN)/python benchmarks/read_stack.py --json runs/bench/read_stack.json
	$(BIN)/python benchmarks/campaign.py --json runs/bench/campaign.json

lock:  ## renew uv.lock and requirements.lock (needs uv)
	uv lock
	uv export --quiet --frozen --extra test --no-emit-project --no-header --no-annotate \
	  --format requirements-txt --output-file requirements.lock

clean:  ## remove what the other targets made, runs and .venv excepted
	rm -rf dist build .make .pytest_cache .mypy_cache .ruff_cache .hypothesis
