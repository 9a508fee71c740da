# Two commands: `make demo` and `make test`. Each sets up .venv itself, then runs.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: help setup demo test docs test-slow interop lint clean

help:
	@echo "make demo       set up, then run the whole chain: texts -> BERT -> customers -> PPO -> comparison (runs/demo)"
	@echo "make test       set up, then lint, type-check and test (25 minutes on 2 cores)"
	@echo "make docs       set up, then build the documentation into site/; a warning or a broken link fails"
	@echo "make test-slow  the checks that take minutes each"
	@echo "make interop    other people's tools (CleanRL, TorchRL, d3rlpy, RLlib, ...), each in an environment of its own"
	@echo "make setup      only set up .venv"
	@echo "make clean      remove .venv, caches and build products; runs/ stays"

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "== setting up .venv (a few minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@touch $@

demo: setup
	$(BIN)/flashsale demo --out runs/demo --overwrite

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m "not slow and not interop and not uncompiled" -n 2 --dist worksteal
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -m "uncompiled and not slow and not interop" -n 2 --dist worksteal \
		$$(grep -rl --include='test_*.py' uncompiled tests)

docs: .venv/docs-installed
	$(BIN)/python docs/generate.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

.venv/docs-installed: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[docs]"
	@touch $@

test-slow: setup
	$(BIN)/python -m pytest -m slow

interop: setup
	$(BIN)/python -m pytest -m interop

lint: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

clean:
	rm -rf .venv build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
