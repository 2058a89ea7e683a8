# Few words, one way to run anything. Needs Python 3.11 to 3.13 and make; the network only the first time.
#   make PYTHON=python3.12 serve     another interpreter
#   make VENV=/tmp/jjt test          another place for the environment

PYTHON ?= python3
VENV   ?= .venv
PACKED ?= .bench/packages
IMAGE  ?= jjt
ENGINE ?= docker
MINUTES ?= 20
COUNT   ?= 100000
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
REGISTRY_NEEDS := $(wildcard registry/requirements.txt)
LOCK   := uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --upgrade \
    --extra traces

.DEFAULT_GOAL := help
.PHONY: help serve install dev test test-all test-packages check bench bench-planner bench-load peers soak fuzz demo image lock clean

help:
	@echo 'make serve     start the service on port 8000'
	@echo 'make demo      start it, post the first example, print the matrix and the times, stop it'
	@echo 'make test      the tests, sampled    make test-all  every one, with coverage'
	@echo 'make test-packages  functions of other packages, in an environment that it makes ($(PACKED))'
	@echo 'make check     lint, types, import contracts, docs'
	@echo 'make bench     the benchmarks        make image     the container image'
	@echo 'make bench-planner  how right auto is, before it has seen anything run'
	@echo 'make bench-load  ten times what the service can do, greedy clients, clients that leave; ten minutes'
	@echo 'make peers     ours against what people use, in environments that it makes (.bench)'
	@echo 'make soak      twenty minutes of mixed traffic: does anything grow?   MINUTES=2'
	@echo 'make fuzz      100,000 mutated bodies in all formats; what goes wrong is kept   COUNT=5000'
	@echo 'make install   make $(VENV) with $(BIN)/jjt'
	@echo 'make lock      pin the newest versions again (needs uv)'
	@echo 'make clean     take away what was made, but for benchmark results'

serve: install
	@$(BIN)/jjt serve

demo: install
	@$(BIN)/jjt demo

install: $(VENV)/.runtime

dev: $(VENV)/.dev

test: dev
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

test-all: dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --long
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(MAKE) --no-print-directory test-packages

# Each program runs once or twice: it is compiled as quickly as can be.
test-packages: $(PACKED)/.made
	XLA_FLAGS=--xla_backend_optimization_level=0 $(PACKED)/bin/python -m pytest --packages tests/packages

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest --quiet tests/test_house.py tests/docs/test_links.py tests/docs/test_tables.py

bench: dev
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.engine.budgets
	$(BIN)/python -m benchmarks.engine.compiling
	$(BIN)/python -m benchmarks.planner
	$(BIN)/python -m benchmarks.scheduler

bench-planner: dev
	$(BIN)/python -m benchmarks.planner

bench-load: dev
	$(BIN)/python -m benchmarks.load

peers: dev
	$(BIN)/python -m benchmarks.peers

soak: dev
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

fuzz: dev
	$(BIN)/python -m tests.e2e.fuzz --count $(COUNT)

# Podman and Buildah keep the health check only in Docker's format; Docker itself does not read the variable.
image:
	BUILDAH_FORMAT=docker $(ENGINE) build --tag $(IMAGE) .

lock:
	$(LOCK) --group build pyproject.toml $(REGISTRY_NEEDS) --output-file requirements.lock
	$(LOCK) --group build --group dev --constraints requirements.lock \
	    pyproject.toml $(REGISTRY_NEEDS) --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) .jjt .bench .hypothesis .pytest_cache .ruff_cache .import_linter_cache .coverage .coverage.* dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit( \
	    "Python 3.11 to 3.13 is needed, and $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock $(REGISTRY_NEEDS) pyproject.toml | $(VENV)/bin/python
	$(PIP) --requirement requirements.lock
	$(if $(REGISTRY_NEEDS),$(PIP) --constraint requirements.lock --requirement $(REGISTRY_NEEDS))
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(PACKED)/.made: requirements-dev.lock tests/packages/requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m venv --clear $(PACKED)
	$(PACKED)/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock \
	    --requirement requirements-dev.lock --requirement tests/packages/requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.lock client/pyproject.toml $(VENV)/.runtime
	$(PIP) --requirement requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation --editable client
	@touch $@
