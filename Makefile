# Everything starts here; Python 3.11 or newer and make are all that is needed. `make demo` shows it, `make test` proves it.

# The first Python on the path that is new enough; PYTHON=... names another.
ifndef PYTHON
PYTHON := $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)
endif
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --system-certs --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help setup demo test check check-deploy sbom audit secrets bench lock clean

help:
	@echo 'make setup   virtual environment, hash-locked packages, Kafka; the command is then $(BIN)/jalur'
	@echo 'make demo    the whole path on real Kafka and PostgreSQL, in a throw-away directory'
	@echo 'make test    every test (ARGS="tests/unit -k name" for some)'
	@echo 'make check   ruff, mypy --strict, import-linter'
	@echo 'make check-deploy   image, compose file, manifests, monitoring: parsed, and tried without a container engine'
	@echo 'make sbom    what the image is built from, as CycloneDX, into dist/sbom'
	@echo 'make audit   known vulnerabilities of every locked package; asks an advisory service'
	@echo 'make secrets whatever looks like a secret in the tree'
	@echo 'make bench   the benchmarks'
	@echo 'make lock    newest versions into the lock files: packages and jars'
	@echo 'make clean   remove what setup and the checks made; data directories stay'

setup:
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11 or newer on the path: install one, or name it with PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, %s is %d.%d" % ((sys.executable,) + sys.version_info[:2]))'
	@$(PYTHON) -I deploy/local/install.py

demo: setup
	@$(BIN)/jalur demo

test: setup
	@$(BIN)/pytest --numprocesses 2 --dist loadfile $(ARGS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-deploy: setup
	@$(BIN)/python -m deploy.check

sbom audit secrets: setup
	@$(BIN)/python -m deploy.supply $@ $(ARGS)

bench: setup
	@$(BIN)/python -m benchmarks $(ARGS)

lock: setup
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) requirements/services.in -o requirements/services.txt
	$(COMPILE) requirements/dev.in -o requirements/dev.txt
	$(COMPILE) requirements/image.in -o requirements/image.txt
	$(COMPILE) requirements/otel.in -o requirements/otel.txt
	$(COMPILE) requirements/tools.in -o requirements/tools.txt
	$(COMPILE) --no-deps requirements/deploy.in -o requirements/deploy.txt
	$(BIN)/python -m deploy.local.jars lock

clean:
	rm -rf .venv .tools .jars .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
