# `make demo` and `make test` are all a fresh machine needs: they make the virtual environment themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check faults scale year boot bench install packages clean

demo: install
	@$(BIN)/rsvpd demo

test: install packages check
	@$(BIN)/python -m pytest

# The long proof: over 600 faults injected into the running service; some eight minutes.
faults: install packages
	@$(BIN)/python -m tests.fault_harness

# Three thousand owners shared by three hosts that lose all there is to lose; needs root.
scale: install packages
	@$(BIN)/python -m tests.scale

# The units under a real systemd, in a container; needs root and a Debian mirror, and some minutes the first time.
boot: install
	@scripts/test-packages debootstrap systemd-container
	@$(BIN)/python -m tests.boot

# What it costs, beside the physical limit and what people would use instead; about half an hour.
bench: install packages
	@PYTHON=$(PYTHON) scripts/bench-packages
	@$(BIN)/python -m bench

# A year of an owner's under a clock that is moved: 52 summaries, moves, commands and forged ones; some five minutes.
year: install packages
	@$(BIN)/python -m tests.year

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

install: $(VENV)/installed

packages:
	@scripts/test-packages

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rsvpd needs Python 3.11 or newer")'
	@echo "Making the virtual environment in $(VENV) (a minute or so, once) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

clean:
	rm -rf $(VENV) .boot build dist .mypy_cache .ruff_cache .pytest_cache
