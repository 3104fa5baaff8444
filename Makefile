# `make demo` and `make test` install everything into .venv, from package indexes only.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
TESTS ?= tests

.PHONY: demo test test-long lint types imports pytest attack dist docs clean

demo: $(VENV)/.installed
	$(PY) examples/demo.py

test: lint types imports pytest

lint: $(VENV)/.installed
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(VENV)/.installed
	$(PY) -m mypy

imports: $(VENV)/.installed
	$(VENV)/bin/lint-imports

pytest: $(VENV)/.installed
	$(PY) -m tests.backends.trt.bindings
	$(PY) -m tests.stand_in_cuda.building
	$(PY) -m pytest -n 2 --dist loadfile $(TESTS)

attack: $(VENV)/.installed
	$(PY) -m tests.attack

dist: $(VENV)/.installed
	$(PY) -m tests.release dist

# Takes hours: the release in empty environments, all hostile inputs, and the tests with every other installed Python.
test-long: dist attack
	$(PY) -m tests.release interpreters

docs: $(VENV)/.installed
	$(PY) docs/generate.py

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "installing hookline and the versions of constraints.txt into $(VENV); PyTorch is the largest of them"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) outputs multirun demo
