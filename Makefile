# `make run` sets everything up and runs the main job; `make test` sets everything up and passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECIPE ?= breast_cancer

.PHONY: run notebook notebooks bench test test-slow lint types check wheel clean

run: $(VENV)/ready
	$(BIN)/mlp-toolkit run $(RECIPE)

test: $(VENV)/ready
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: $(VENV)/ready
	$(BIN)/python -m pytest -m slow
	$(BIN)/python -m pytest tests/fuzz_all.py

# Opens the first notebook of the lecture.
notebook: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --editable ".[notebooks]" --constraint constraints.txt
	$(BIN)/jupyter lab notebooks/01_perceptron.ipynb

# Runs all of them from top to bottom; the files stay as they are.
notebooks: $(VENV)/ready
	$(BIN)/python notebooks/execute.py

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/ready
	$(BIN)/mypy

# The wheel carries configs/ and recipes/: installed in an empty environment it runs from an empty folder.
wheel: $(VENV)/ready
	PYTHON=$(PYTHON) bash tests/check_wheel.sh $(BIN)/python

check: lint types test notebooks test-slow wheel

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]" --constraint constraints.txt
	touch $@

# PyTorch's columns need the extra `bench`, which is gigabytes: $(BIN)/python -m pip install --editable ".[bench]"
bench: $(VENV)/ready
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/augment.py
	$(BIN)/python benchmarks/predict.py
	$(BIN)/python benchmarks/stream.py

clean:
	rm -rf $(VENV) build dist
