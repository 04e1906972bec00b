# `make run` sets everything up and runs the main job; `make test` sets everything up and passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
RECIPE ?= breast_cancer

.PHONY: run notebook notebooks docs bench bench-quality gpu-check test test-slow test-others test-some lint types check coverage wheel clean

run: $(VENV)/ready
	$(BIN)/mlp-toolkit run $(RECIPE)

# XLA keeps what it compiled for the life of a process: the tests that compile most have processes of their own.
TEST = $(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile $(OPTIONS)
ENGINE = tests/training/engine

test: $(VENV)/ready
	$(TEST) --ignore $(ENGINE)
	$(TEST) $(ENGINE)

# The rooms that lean on other libraries most, with the oldest versions that pyproject.toml allows
# (which use what newer libraries under them call deprecated), and with Python 3.12.
test-others:
	$(MAKE) test-some VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt OPTIONS="-W ignore::DeprecationWarning"
	if python3.12 -c ""; then $(MAKE) test-some VENV=.venv-3.12 PYTHON=python3.12 OPTIONS=; else echo "no Python 3.12 here"; fi

test-some: $(VENV)/ready
	$(TEST) tests/recipe tests/data tests/storage tests/cli

test-slow: $(VENV)/ready
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile
	$(BIN)/python -m pytest tests/programs/fuzz_all.py

# Opens the first notebook of the lecture.
notebook: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --editable ".[notebooks]" --constraint $(CONSTRAINTS)
	$(BIN)/jupyter lab notebooks/01_perceptron.ipynb

# Runs all of them from top to bottom; the files stay as they are.
notebooks: $(VENV)/ready
	$(BIN)/python notebooks/execute.py

# The pages as a site in build/site, with the API from the docstrings; a link that leads nowhere fails.
docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --editable ".[docs]" --constraint $(CONSTRAINTS)
	$(BIN)/python docs/gather.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/ready
	$(BIN)/mypy

# The wheel carries configs/ and recipes/: installed in an empty environment it runs from an empty folder.
wheel: $(VENV)/ready
	PYTHON=$(PYTHON) bash tests/programs/check_wheel.sh $(BIN)/python

check: lint types test notebooks docs test-slow test-others wheel

# What the tests run of the package, for the eye; it makes them a good deal slower.
coverage: $(VENV)/ready
	rm -f .coverage
	$(MAKE) test OPTIONS="--cov --cov-append --cov-report="
	$(BIN)/coverage report

$(VENV)/ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]" --constraint $(CONSTRAINTS)
	touch $@

# PyTorch's columns need the extra `bench`, which is gigabytes: $(BIN)/python -m pip install --editable ".[bench]"
bench: $(VENV)/ready
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/again.py
	$(BIN)/python benchmarks/by_hand.py
	$(BIN)/python benchmarks/members.py
	$(BIN)/python benchmarks/augment.py
	$(BIN)/python benchmarks/predict.py
	$(BIN)/python benchmarks/stream.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/overhead.py

# Default models on tables of your own: hours. Trees need the extra `peers`: $(BIN)/python -m pip install --editable ".[peers]"
bench-quality: $(VENV)/ready
	$(BIN)/python benchmarks/quality.py $(TABLES)

# What a GPU is to show, in less than ten minutes; without one it says so and fails.
gpu-check: $(VENV)/ready
	$(BIN)/python benchmarks/gpu_check.py

clean:
	rm -rf $(VENV) .venv-* build dist
