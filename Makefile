# One command for each habit. `make demo` and `make test` set themselves up in .venv; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
IMAGE ?= tensorflow/serving:2.19.1

.PHONY: help demo test test-quick test-docker check format wire rules bench conformance docs clean

help:
	@echo "make demo         serve the example models on the embedded server and check their contracts"
	@echo "make test         the whole test suite (docker tests need an engine and TFSERVING_TEST_IMAGE)"
	@echo "make test-quick   the tests that start no server: a minute or two"
	@echo "make test-docker  the docker tests on IMAGE=$(IMAGE)"
	@echo "make check        ruff, mypy, import-linter, and the generated files"
	@echo "make format       ruff's fixes and format"
	@echo "make wire         generate pytest_tfserving/wire from its .proto files"
	@echo "make rules        write docs/rules.md and the JSON schema of contracts from their tables"
	@echo "make bench        the ratios of docs/benchmarks.md"
	@echo "make conformance  replay what a real server was seen to answer; BINARY=... asks one too, WRITE=1 writes docs/fidelity.md"
	@echo "make docs         the tests of README and docs alone"
	@echo "make clean        remove .venv and caches"

demo: $(READY)
	"$(BIN)/python" -m pytest example_models --tfserving-backend embedded -v

test: $(READY)
	"$(BIN)/python" -m pytest -n 2 --dist worksteal

test-quick: $(READY)
	"$(BIN)/python" -m pytest -q tests/unit

test-docker: $(READY)
	TFSERVING_TEST_IMAGE="$(IMAGE)" "$(BIN)/python" -m pytest -v tests/parity tests/backends

check: $(READY)
	"$(BIN)/ruff" check
	"$(BIN)/ruff" format --check
	"$(BIN)/mypy"
	"$(BIN)/lint-imports"
	"$(BIN)/python" tools/generate_wire.py --check
	"$(BIN)/python" tools/write_rules.py --check
	"$(BIN)/python" tools/write_contract_schema.py --check

format: $(READY)
	"$(BIN)/ruff" check --fix
	"$(BIN)/ruff" format

wire: $(READY)
	"$(BIN)/python" tools/generate_wire.py

rules: $(READY)
	"$(BIN)/python" tools/write_rules.py
	"$(BIN)/python" tools/write_contract_schema.py

bench: $(READY)
	"$(BIN)/python" -m tools.bench

conformance: $(READY)
	"$(BIN)/python" -m tools.conformance $(if $(WRITE),--write) $(if $(BINARY),"$(BINARY)")

docs: $(READY)
	"$(BIN)/python" -m pytest -q tests/docs

clean:
	rm -rf "$(VENV)" .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# Sets the environment up anew whenever pyproject.toml is newer than it.
$(READY): pyproject.toml
	@"$(PYTHON)" tools/require_python.py
	"$(PYTHON)" -m venv "$(VENV)"
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch "$(READY)"
