# make run [RAW=capture.dng]   develop a capture (the embedded sample by default) into a picture
# make test                    run the linters, the type checker and the tests
# make setup                   just install everything into .venv

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
RAW ?=
OUT ?= build/$(if $(RAW),$(basename $(notdir $(RAW))),sample).png

.PHONY: run test setup lint clean

run: $(INSTALLED)
	@mkdir -p $(dir $(OUT))
	$(PY) -m isp run $(if $(RAW),"$(RAW)",isp/sample/sample.dng) -o "$(OUT)" --overwrite

test: lint
	$(PY) -m pytest

lint: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $$($(PYTHON) --version) found, Python 3.11 or newer expected; name one with make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "error: cannot make a virtual environment; install python3-venv (sudo apt-get install python3-venv)"; exit 2; }
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(PY) -c 'import cv2' || \
	  { echo "error: OpenCV needs system libraries (sudo apt-get install libgl1 libglib2.0-0)"; exit 2; }
	@touch $@

clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
