# Everything runs in a virtual environment of its own: VENV=/elsewhere to put it elsewhere.
VENV ?= .venv
PYTHON ?= python3
# Processes that run tests, each on one thread: threads of several would wait for one another.
JOBS ?= auto
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.topicidx-installed
DEVELOP = $(VENV)/.topicidx-develop
NODE = $(VENV)/node

.PHONY: demo test check bench

demo: $(INSTALLED)
	$(BIN)/topicidx demo

test: $(DEVELOP) $(NODE)/.installed
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --maxprocesses 8 --dist worksteal

# Lint, format and strict types; types on the built wheel, because type checkers cannot follow the editable install.
check: $(DEVELOP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build
	$(BIN)/python -m build --wheel --outdir build/wheel . > /dev/null
	$(BIN)/python -m zipfile -e build/wheel/*.whl build/wheel
	$(BIN)/mypy build/wheel/topicidx
	rm -rf build

bench: $(DEVELOP)
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/store.py

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): about 6 GB, most of it PyTorch; a minute or two"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEVELOP): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# What the TypeScript of the documentation is checked with; without npm those tests are skipped.
$(NODE)/.installed: tests/typescript/package.json | $(DEVELOP)
	mkdir -p $(NODE)
	cp $< $(NODE)/
	npm install --silent --no-package-lock --no-audit --no-fund --prefix $(NODE) || echo "no npm, or it failed: the types of the TypeScript will not be checked"
	touch $@
