# RightLevel and flatwater. `make help` lists what there is; `make demo` and `make test` need only Python >= 3.11 and make.
SHELL := /bin/bash
# What is compiled once is read ten times: a worker of the tests takes 8 s to collect them instead of 22.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := .tools/uv/bin/uv
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.dev-ready
DEMO_DATA ?= .demo
PORT ?= 8000
CASES ?= 20000
SEED ?= 11
# A process more than there are cores (a third of the time is waiting), each with a PostgreSQL of its own; browsers keep a core each busy. A file's
# tests stay together, in the order of the files.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
BROWSERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() or 1))')
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder

.PHONY: help demo test walks check format lint types contracts quick bench simulate hosts requests pins browser clean

help: ## What can be done here
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV):
	@$(PYTHON) -c 'import sys; bad = sys.version_info < (3, 11) or (3, 14) <= sys.version_info < (3, 14, 5); sys.exit("This needs Python 3.11 or later (but not 3.14.0-3.14.4, whose collector leaks); this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.13 ...") if bad else None'
	@echo "[1/3] fetching uv into .tools (from PyPI, once)"
	@$(PYTHON) -m venv .tools/uv || { echo "python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check uv || { echo "uv could not be fetched from PyPI: is there a network, or a pip index set for this machine?"; rm -rf .tools/uv; exit 1; }

$(READY): $(UV) requirements/runtime.txt flatwater/pyproject.toml rightlevel/pyproject.toml
	@echo "[2/3] making .venv and installing the pinned packages"
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@PYTHONNODEBUGRANGES=1 $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@echo "[3/3] installing flatwater and rightlevel, editable, and compiling them (a program that compiles itself keeps 5 MB for it)"
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e flatwater -e rightlevel
	@PYTHONNODEBUGRANGES=1 $(BIN)/python -m compileall -q flatwater/src rightlevel/src
	@PYTHONNODEBUGRANGES=1 $(BIN)/python -c 'from rightlevel.web import app, document, templating; templating.compile_templates(); document.kept_document(app.all_routes())'
	@touch $@

$(DEV_READY): $(READY) requirements/dev.txt
	@echo "installing the pinned tools for tests and checks"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(READY) ## Set everything up and open a running platform with a realistic programme in it
	@$(BIN)/rightlevel demo --data $(DEMO_DATA) --port $(PORT)

browser: $(DEV_READY)
	@$(BIN)/python rightlevel/tests/find_browser.py

test: $(DEV_READY) browser ## Set everything up and run every test, the browser's included
	@failed=0; $(BIN)/pytest -n $(WORKERS) $(SIDE_BY_SIDE) -m "not walk and not browser" || failed=1; \
	$(BIN)/pytest -n $(BROWSERS) $(SIDE_BY_SIDE) -m "not walk and browser" || failed=1; exit $$failed

walks: $(DEV_READY) browser ## The long walks: every page and form as every role, every measurement started once
	@failed=0; $(BIN)/pytest -n $(WORKERS) $(SIDE_BY_SIDE) -m "walk and not browser" || failed=1; \
	$(BIN)/pytest -n $(BROWSERS) --dist load -m "walk and browser" || failed=1; exit $$failed

quick: $(DEV_READY) ## The tests without the browser
	$(BIN)/pytest -n $(WORKERS) $(SIDE_BY_SIDE) -m "not walk and not browser" -q

check: $(DEV_READY) lint types contracts test walks ## Format, lint, types, import contracts, tests, walks

format: $(DEV_READY) ## Format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(DEV_READY)
	$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(DEV_READY)
	$(BIN)/basedpyright

contracts: $(DEV_READY)
	$(BIN)/lint-imports --config pyproject.toml

bench: $(DEV_READY) ## Repeat the measurements in benchmarks/ (long), or compare two commits: ARGS="compare main HEAD"
	$(BIN)/python -m benchmarks $(ARGS)

simulate: $(DEV_READY) ## The simulated programme: deeds by seed against the real program, beside a model (ARGS="--seed 7 --minutes 20")
	$(BIN)/python -m simulation $(ARGS)

hosts: $(DEV_READY) ## Several hosts, rehearsed on this machine: processes, PgBouncer, a standby, and the simulated programme on three (a short form is in make test)
	$(BIN)/pytest -q -rs rightlevel/tests/operations/test_hosts.py rightlevel/tests/operations/test_hosts_serving.py rightlevel/tests/operations/test_hosts_pooled.py \
		rightlevel/tests/operations/test_replica.py rightlevel/tests/operations/test_import_runner.py
	$(BIN)/python -m simulation --hosts 3 $(ARGS)

requests: $(DEV_READY) ## 20,000 requests made up from the API document, by every role (CASES=20000 SEED=11)
	CASES=$(CASES) SEED=$(SEED) $(BIN)/pytest rightlevel/tests/web/test_generated_requests.py -q

pins: $(UV) ## Compile requirements/*.txt again from requirements/*.in
	cd requirements && for f in runtime dev; do ../$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --custom-compile-command "make pins" $$f.in -o $$f.txt; done

clean: ## Remove what make made (not the demo's data)
	rm -rf $(VENV) .tools .pytest_cache .ruff_cache
