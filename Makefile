# Five commands: setup, check, test, run, bench; and prove for the long campaigns.
#
#   make run                       the main job, until Ctrl-C
#   make run ARGS=--once           one accelerated journey with its arrival report
#   make run ARGS="--once --replay FOLDER"
#   make test                      everything that CI runs
#   make prove                     the rigs of tests/faults at full size, an hour
#   make journeys SEEDS="6 7 8"    disturbed journeys, one for each seed

ARGS ?=
SEEDS ?= 1 2 3 4 5
BIN := .venv/bin
# Two files at a time; whole journeys, which take longest, are begun first.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup check test run bench prove journeys clean

run: .venv/.run
	@$(BIN)/python -m cloud demo $(ARGS)

setup: .venv/.dev

test: .venv/.dev check
	@requirements/chromium.sh
	@requirements/servers.sh
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

# ARGS=--plan for what it takes, ARGS=--scale=0.1 for a taste, ARGS="--only NAME" for
# one rig or another group.
prove: .venv/.dev
	$(BIN)/python -m tests.faults.prove $(ARGS)

journeys: .venv/.dev
	@for seed in $(SEEDS); do \
	    echo "== seed $$seed"; \
	    $(BIN)/python -m cloud demo --once --disturb 5 --seed "$$seed" || exit 1; \
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
