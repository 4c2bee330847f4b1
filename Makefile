# Everything runs in a virtual environment of its own: VENV=/elsewhere to put it elsewhere.
VENV ?= .venv
PYTHON ?= python3
# Processes that run tests, each on one thread: threads of several would wait for one another.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
BIN = $(VENV)/bin
# Files are compiled when they are first imported, and that is kept: every process would do it again otherwise.
unexport PYTHONDONTWRITEBYTECODE
# What setuptools says about editable installations is known.
PIP_INSTALL = PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-compile
INSTALLED = $(VENV)/.topicidx-installed
DEVELOP = $(VENV)/.topicidx-develop
BENCH = $(VENV)/.topicidx-bench
NODE = $(VENV)/node

.PHONY: demo test check docs bench browser promtool

demo: $(INSTALLED)
	$(BIN)/topicidx demo

test: $(DEVELOP) $(NODE)/.installed browser promtool
	scratch=$$(tests/scratch.sh) && trap 'rm -rf "$$scratch"' EXIT \
		&& TMPDIR="$$scratch" OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 \
			$(BIN)/python -m pytest --numprocesses $(JOBS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# Lint, format and strict types; types on the built wheel, because type checkers cannot follow the editable install.
check: $(DEVELOP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build
	$(BIN)/python -m build --wheel --outdir build/wheel . > /dev/null
	$(BIN)/python -m zipfile -e build/wheel/*.whl build/wheel
	$(BIN)/mypy build/wheel/topicidx
	rm -rf build

# The documentation as a site, in build/site: it can be read from there, or from any web server.
docs: $(DEVELOP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "look at it: $(CURDIR)/build/site/index.html"

# What costs what, beside what people use today: about an hour. benchmarks/README.md holds the results.
bench: $(BENCH)
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/engines.py
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/query.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/growth.py --plot benchmarks/growth.png
	$(BIN)/python benchmarks/profiles.py

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv --upgrade-deps $(VENV)
	@echo "installing into $(VENV): about 6 GB, most of it PyTorch; a minute or two"
	$(PIP_INSTALL) --editable .
	touch $@

$(DEVELOP): $(INSTALLED)
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@

# What others use, to be measured beside topicidx.
$(BENCH): $(DEVELOP)
	$(PIP_INSTALL) --editable '.[dev,bench]'
	touch $@

# What the gallery page is tried in: Debian's Chromium and its driver; without them those tests are skipped.
browser:
	@if ! command -v chromedriver > /dev/null && command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
		{ apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver; } > /dev/null 2>&1 \
			|| echo "no Chromium and its driver could be installed: the gallery page will not be tested"; \
	fi

# What the rules of deploy/monitoring are checked with, out of Debian's package: without it those tests are skipped.
promtool:
	@if ! command -v promtool > /dev/null && [ ! -x $(BIN)/promtool ] && command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
		folder=$$(mktemp -d) && chmod 755 "$$folder" \
			&& { apt-get update && (cd "$$folder" && apt-get download prometheus && dpkg-deb --extract prometheus_*.deb .); } > /dev/null 2>&1 \
			&& mv "$$folder/usr/bin/promtool" $(BIN)/ \
			|| echo "no promtool could be had: the rules for Prometheus will not be checked"; \
		rm -rf "$$folder"; \
	fi

# What the TypeScript of the documentation and the gallery page are checked with; without npm those tests are skipped.
$(NODE)/.installed: tests/typescript/package.json | $(DEVELOP)
	mkdir -p $(NODE)
	cp $< $(NODE)/
	npm install --silent --no-package-lock --no-audit --no-fund --prefix $(NODE) || echo "no npm, or it failed: neither the types of the TypeScript nor whether the page is for everyone will be checked"
	touch $@
