# Two commands: `make book` and `make test`. Both set up .venv first, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help book pdf test check bench mutants clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{ printf "  make %-8s %s\n", $$1, $$2 }'

book: $(INSTALLED)  ## run every chapter that changed, build _build/html, print the claims
	@$(BIN)/pcn run
	@$(BIN)/pcn build
	@$(BIN)/pcn report

pdf: $(INSTALLED)  ## print the whole book to _build/book.pdf (needs Chromium)
	@$(BIN)/pcn pdf

test: $(INSTALLED)  ## run the tests
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(INSTALLED)  ## style, committed form of chapters, layering, types: seconds, before a commit
	@$(BIN)/python -c 'import mypy' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[check]'
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/pcn notebooks check
	@$(BIN)/python -m pytest -q tests/test_layering.py
	@$(BIN)/python -m mypy

bench: $(INSTALLED)  ## measure speed and memory, and record them for the book
	@$(BIN)/python -m benchmarks

mutants: $(INSTALLED)  ## plant defects, SAMPLE=30 of them in MODULE=energy, and show those that no test notices
	@$(BIN)/python -c 'import cosmic_ray' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mutation]'
	@$(BIN)/python tests/mutants.py $(MODULE) $(if $(SAMPLE),--sample $(SAMPLE))

clean:  ## remove runs, pages and caches (the environment stays)
	rm -rf _build _run .cache .pytest_cache .ruff_cache

# Reinstalled only when pyproject.toml changes; the package itself is installed editable.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "'$(PYTHON)' is not a Python of version 3.11 or newer, which this book needs: install one and say 'make PYTHON=python3.12 ...'." >&2; exit 1; }
	@echo "Setting up $(VENV) (a few minutes the first time, nothing afterwards) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[book,test]'
	@touch $@
