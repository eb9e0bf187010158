# Five commands: setup, check, test, run, bench; and prove for the long campaigns.
#
#   make run                       the main job, until Ctrl-C
#   make run ARGS=--once           one accelerated journey with its arrival report
#   make run ARGS="--once --replay ../shared/data"
#   make test                      everything that CI runs

ARGS ?=
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: setup check test run bench clean

run: .venv/.run
	@$(BIN)/python -m cloud demo $(ARGS)

setup: .venv/.dev

test: .venv/.dev check
	@requirements/chromium.sh
	$(PYTEST) $(ARGS)

check: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: .venv/.dev
	@for bench in tests/benchmarks/*.py; do \
	    echo "== $$bench"; $(BIN)/python "$$bench" $(ARGS) || exit 1; \
	done

# What tests need includes what runs need; either stamp serves `make run`.
.venv/.run: requirements/gateway.txt requirements/sim.txt requirements/cloud.txt pyproject.toml
	@[ -e .venv/.dev ] && [ .venv/.dev -nt requirements/dev.txt ] || \
	    requirements/install.sh gateway sim cloud
	@touch $@

.venv/.dev: requirements/dev.txt requirements/build.txt pyproject.toml
	@requirements/install.sh build dev
	@touch $@

clean:
	rm -rf .venv var dist
