# make goldfish   set up, then teach a network illustrated goldfish
# make test       set up, then run the tests
# make gpu        set up, then run the tests and benchmarks that need a GPU
# They need nothing but Python, make and the package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: goldfish test slow gpu lint types tensorboard clean

goldfish: $(INSTALLED)
	$(BIN)/python -m visionlora.train data=goldfish $(ARGS)

# One process per core, each with one thread: most tests are too small for two threads to pay.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 8 --dist worksteal $(ARGS)

slow: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m slow --numprocesses auto --maxprocesses 4 $(ARGS)

# What needs a GPU, on one; without one each part says why it is skipped.
gpu: $(INSTALLED)
	$(BIN)/python -m pytest -q -m slow -rs tests/accelerator tests/test_whole_jobs.py
	$(BIN)/python -m benchmarks.gpu $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(INSTALLED)
	$(BIN)/mypy

tensorboard: $(INSTALLED)
	$(BIN)/tensorboard --logdir outputs

# torch and torchvision are asked for together: each release of one fits one release of the other.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' --constraint constraints.txt
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
