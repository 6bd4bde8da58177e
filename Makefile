# `make` alone says what there is. Every target that needs .venv sets it up first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
MUSTER_HOME ?= ./registry
# More for the command of a target, as in: make test ARGS="-k rollback -x"
ARGS ?=

.PHONY: help setup demo serve test check bench torture system lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with everything in it; quick when nothing changed
	@tools/setup.sh

demo: setup ## the main job on real input: deploy, replace, refuse, roll back
	@$(BIN)/muster demo $(ARGS)

serve: setup ## a server with a lasting registry in $MUSTER_HOME or ./registry
	@$(BIN)/muster serve --home "$(MUSTER_HOME)" $(ARGS)

test: setup ## every test; names each one skipped for want of a system part
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 $(ARGS)

check: setup ## ruff, mypy strict, import contracts, docs
	@tools/check.sh

bench: setup ## the benchmarks; writes docs/performance.md
	@$(BIN)/python -m benchmarks $(ARGS)

torture: setup ## the crash tests at full length (long)
	@MUSTER_TORTURE=1 $(BIN)/python -m pytest -m torture --timeout=0 $(ARGS)

system: ## install the system parts the tests use (as root)
	@tools/system.sh

lock: ## compile requirements/*.txt from pyproject.toml anew
	@tools/lock.sh $(ARGS)

clean: ## remove .venv and caches; the registry stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .schemathesis build dist .cache
	@find . -name __pycache__ -type d -not -path './registry/*' -prune -exec rm -rf {} +
