# Everything runs in a virtual environment of its own: VENV=/elsewhere to put it elsewhere.
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.topicidx-installed

.PHONY: demo test check bench

demo: $(INSTALLED)
	$(BIN)/topicidx demo

test: $(INSTALLED)
	$(BIN)/python -m pytest

# Lint, format and strict types; types on the built wheel, because type checkers cannot follow the editable install.
check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build
	$(BIN)/python -m build --wheel --outdir build/wheel . > /dev/null
	$(BIN)/python -m zipfile -e build/wheel/*.whl build/wheel
	$(BIN)/mypy build/wheel/topicidx
	rm -rf build

bench: $(INSTALLED)
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/store.py

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
