# make demo    analyse the sample video in an environment of its own
# make test    check the format, lint, types and tests in another
# Both do all set-up themselves; PYTHON=python3.12 chooses another Python.

PYTHON ?= python3
PIP := -m pip --disable-pip-version-check -qq
SAMPLE := src/mien/samples/portraits.mp4
SOURCES := $(shell find src -type f -not -name '*.pyc')

.DEFAULT_GOAL := help
.PHONY: help demo test fresh sample lock clean python

help:
	@echo 'make demo    analyse the sample video; the last line says where the report is'
	@echo 'make test    check format, lint and types, and run the tests'
	@echo 'make fresh   build the wheel, install it without torch and use it'
	@echo 'make sample  make the sample video again'
	@echo 'make lock    pin the newest versions for developing'
	@echo 'make clean   remove the environments and everything made'

demo: .venv-demo/ready
	@.venv-demo/bin/mien analyze $(SAMPLE) -o mien-demo --overwrite

test: .venv/ready
	@echo 'format'; .venv/bin/ruff format --check --output-format concise .
	@echo 'lint'; .venv/bin/ruff check --output-format concise .
	@echo 'types'; .venv/bin/mypy
	@echo 'tests'; OMP_NUM_THREADS=1 .venv/bin/pytest -n 2 --dist loadgroup -q

fresh: .venv/ready
	@OMP_NUM_THREADS=1 .venv/bin/pytest -q -m fresh

sample: .venv-sample/ready
	@.venv-sample/bin/python scripts/make_sample.py

.venv-demo/ready: pyproject.toml $(SOURCES) | python
	@echo 'installing mien and what analysing needs into .venv-demo (a minute or so the first time)'
	@test -x .venv-demo/bin/python || $(PYTHON) -m venv --clear .venv-demo
	@.venv-demo/bin/python $(PIP) install .
	@touch $@

.venv/ready: pyproject.toml requirements/dev.txt | python
	@echo 'installing mien and the pinned development tools into .venv (some minutes the first time)'
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python $(PIP) install -r requirements/dev.txt
	@.venv/bin/python $(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv-sample/ready: scripts/make_sample.py | python
	@$(PYTHON) -m venv --clear .venv-sample
	@sed -n 's/^#     "\(.*\)",$$/\1/p' $< > .venv-sample/requirements.txt
	@.venv-sample/bin/python $(PIP) install -r .venv-sample/requirements.txt
	@touch $@

lock: | python
	@$(PYTHON) -m venv --clear .venv-lock
	@.venv-lock/bin/python $(PIP) install -r requirements/dev.in
	@{ sed -n '/^#/p' requirements/dev.txt; .venv-lock/bin/python -m pip freeze | sed 's/+cpu$$//'; } > .venv-lock/dev.txt
	@mv .venv-lock/dev.txt requirements/dev.txt
	@rm -rf .venv-lock

python:
	@command -v $(PYTHON) > /dev/null || \
	    { echo 'mien needs Python 3.11 or newer, and there is no $(PYTHON); choose one with PYTHON=...'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "mien needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1); choose another with PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
	    { echo '$(PYTHON) cannot make environments; install its venv module (on Debian: apt-get install python3-venv)'; exit 1; }

clean:
	rm -rf .venv .venv-demo .venv-sample .venv-lock mien-demo dist build .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
