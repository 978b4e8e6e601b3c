# make goldfish   set up, then teach a network illustrated goldfish
# make test       set up, then run the tests
# make gpu        set up, then run the tests and benchmarks that need a GPU
# They need nothing but Python, make and the package index.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: goldfish test oldest slow gpu lint types tensorboard clean

goldfish: $(INSTALLED)
	$(BIN)/python -m visionlora.train data=goldfish $(ARGS)

# One process per core, each with one thread: most tests are too small for two threads to pay.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 8 --dist worksteal $(ARGS)

# The library on the oldest PyTorch that it takes, in an environment of its own.
oldest:
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet torch==2.6.0 torchvision==0.21.0 numpy pillow rich safetensors \
	  pytest pytest-xdist hypothesis peft==0.21.2 attrs timm loralib
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -q --numprocesses auto --maxprocesses 8 \
	  tests/adapters tests/kernels tests/frozen --ignore tests/adapters/test_against_lycoris.py $(ARGS)

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
	rm -rf $(VENV) .venv-oldest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
