# A fresh machine needs Python 3.11 or later and make; nothing here wants root or another tool.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := app screens providers store

# An interpreter asked for by name (make install PYTHON=python3.12) replaces an environment made with another.
ifneq ($(origin PYTHON),file)
ifneq ($(PYTHON),$(shell cat .venv/.python 2>/dev/null))
OTHER_PYTHON := FORCE
endif
endif

.PHONY: help install demo drill run test soak check pictures bench docs lock clean FORCE
.DEFAULT_GOAL := help

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

install: .venv/.installed  ## create .venv with exactly the packages of requirements.lock (PYTHON=python3.12 picks another)

.venv/.python: $(OTHER_PYTHON)
	@$(PYTHON) -c 'import sys; sys.exit("Keyturn needs Python 3.11 or later; try: make install PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv
	@echo '$(PYTHON)' > $@

# compileall writes bytecode even where PYTHONDONTWRITEBYTECODE is set; without bytecode every start takes seconds.
# Some packages carry templates that are no valid Python: they are none of our business.
.venv/.installed: .venv/.python pyproject.toml requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q $(PACKAGES)
	@touch $@

demo: install  ## rotate real passwords, keys and client secrets on stand-ins of its own
	$(BIN)/keyturn demo

drill: install  ## kill Keyturn wherever it can die, on a private PostgreSQL, IAM and Entra
	$(BIN)/keyturn drill

run: install  ## start Keyturn
	$(BIN)/keyturn

test: install  ## run the tests, six at once: on two cores half of them wait for something
	$(BIN)/pytest -n 6 --dist worksteal

soak: install  ## run the minutes-long load tests
	$(BIN)/pytest -m soak --timeout 1800 --ignore tests/property
	$(BIN)/pytest -m soak --timeout 1800 -n 2 --dist worksteal tests/property

check: install  ## lint, formatting, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

pictures: install  ## make docs/pictures anew, after a look at what changed
	PICTURES=write $(BIN)/pytest -n 3 tests/pictures

bench: install .tools/peers/.installed  ## measure, as ratios to a floor taken in the same run
	$(BIN)/python -m tests.bench

# Programs that people like, to be measured beside ours; two want a Textual of their own. Without them the rest is
# measured all the same. posting crashes with a newer tree-sitter.
.tools/peers/.installed:
	-for peer in 'posting==2.11.1 tree-sitter<0.26' 'harlequin==2.17.0' 'awscli==1.46.3'; do \
		name=$${peer%%=*}; $(PYTHON) -m venv .tools/peers/$$name && \
		.tools/peers/$$name/bin/python -m pip install --quiet --disable-pip-version-check $$peer || exit 1; \
	done; touch $@

docs: install  ## renew the table of settings in docs/settings.md, and the manual page docs/keyturn.1
	$(BIN)/python -m app.settings docs/settings.md
	$(BIN)/keyturn manual > docs/keyturn.1

lock: .tools/bin/uv  ## resolve requirements.lock anew (UPGRADE=--upgrade for newer versions)
	.tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --all-extras --group dev $(UPGRADE) pyproject.toml -o requirements.lock
	@! grep -nE '://|^-' requirements.lock || { echo 'requirements.lock names a host or an index: see above' >&2; exit 1; }

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv

clean:  ## remove the environments and every cache
	rm -rf .venv .tools dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
