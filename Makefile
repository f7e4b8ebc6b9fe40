# Yunsong: `make help` lists what can be done. Needs Python 3.11 or newer, Node 20.19 or newer, and make; nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
PORT ?= 8080
TOPOLOGY ?= compact
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PACKAGES := proto libs/common libs/plugin-api services/gateway services/channel-adapter services/conversation \
            services/router services/bot services/qa services/standalone
CODE := proto libs services tests deploy docs
LOCKS := runtime embedded build dev

PAGES := services/gateway
PAGE_SOURCES := $(shell find $(PAGES)/console $(PAGES)/widget -type f -not -path '*/node_modules/*' 2>/dev/null)

.PHONY: help setup run demo test test-all lint format proto pages types test-pages plugin images try-images sbom bundle metrics manifests screens bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/dev.stamp proto ## Make .venv with everything for work on the code

run: .venv/run.stamp proto pages ## Start the product on 127.0.0.1 (PORT=8080 TOPOLOGY=compact|distributed)
	@YUNSONG_GATEWAY_PAGES=$${YUNSONG_GATEWAY_PAGES:-$(CURDIR)/build/pages} exec $(BIN)/yunsong run --port $(PORT) --topology $(TOPOLOGY)

demo: ## Play the main job against the running product and print what everybody sees
	@exec $(BIN)/yunsong demo

test: setup test-pages ## Run what a change must pass: unit, integration and end-to-end tests
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-all: setup test-pages ## Run every test, long fault runs and fuzzing included
	$(BIN)/python -m pytest $(ARGS)

lint: setup $(PAGES)/node_modules/.stamp ## Check style, types, imports and the contract
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/buf lint build/contract.binpb --config proto/buf.yaml --path yunsong
	$(BIN)/python proto/lint.py
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	npm --prefix $(PAGES) run --silent lint

format: setup ## Rewrite the code in the house style
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

proto: .venv/run.stamp ## Generate proto/gen from the contract
	@$(BIN)/python proto/generate.py

pages: build/pages/.stamp ## Build the console and the widget into build/pages

types: .venv/run.stamp proto $(PAGES)/node_modules/.stamp ## Generate the pages' types from the contract
	@npm --prefix $(PAGES) run --silent types --workspace console

# Unit tests, type checks, generated types that match the contract, and the size of the first load.
test-pages: proto pages
	@npm --prefix $(PAGES) run --silent types --workspace console -- --check
	npm --prefix $(PAGES) run --silent check
	npm --prefix $(PAGES) run --silent test
	npm --prefix $(PAGES) run --silent size --workspaces --if-present

plugin: ## Make a plugin's project (KIND=channel|skill|strategy|rule NAME=sms)
	@$(PYTHON) libs/plugin-api/scaffold/new.py "$(KIND)" "$(NAME)" $(ARGS)

images: ## Build all images with docker, podman or buildah, print their sizes and check them (REGISTRY= TAG= PLATFORMS= BASE= NODE=)
	$(PYTHON) deploy/images/build.py build $(ARGS)

try-images: setup ## Run the built images as a hardened cluster would and play the main job through them (podman or docker)
	$(BIN)/python -m tests.images.run $(ARGS)

sbom: setup ## List what the images contain, as CycloneDX, in build/sbom
	@mkdir -p build/sbom
	$(BIN)/cyclonedx-py requirements --output-reproducible --of JSON -o build/sbom/python.cdx.json requirements/runtime.txt
	npm --prefix $(PAGES) sbom --silent --omit dev --package-lock-only --sbom-format cyclonedx > build/sbom/pages.cdx.json

bundle: images sbom ## Pack images, chart and how-to for a cluster without a way out
	$(PYTHON) deploy/images/build.py bundle $(ARGS)

manifests: setup ## Write what is generated: plain manifests, tenants' accounts, the chart's page
	@$(BIN)/python -m tests.chart.generated

metrics: setup ## Write docs/metrics.md out of the code
	$(BIN)/python docs/metrics.py

screens: setup pages ## Take a picture of every view in both languages into docs/screens
	$(BIN)/python -m tests.browser.screens

bench: setup pages ## Measure the product; a table on the screen and build/bench.json
	$(BIN)/python -m tests.load.bench $(ARGS)

lock: .venv/dev.stamp ## Resolve requirements/*.in anew into the lock files (UPGRADE=1 takes newer versions)
	@for name in $(LOCKS); do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	    $(if $(UPGRADE),--upgrade) --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done

clean: ## Remove what was built; keeps .yunsong, which holds a running copy's data
	rm -rf .venv build $(PAGES)/node_modules proto/gen .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Yunsong needs Python 3.11 or newer; say which with: make PYTHON=python3.11 ...")'
	@echo "setup: .venv"
	@$(PYTHON) -m venv .venv

# What `make run` needs; the hashes are checked, the versions are the lock's, nothing is resolved anew.
.venv/lock.stamp: .venv/bin/python requirements/runtime.txt requirements/embedded.txt requirements/build.txt
	@echo "setup: packages"
	@$(PIP) install --require-hashes --no-deps -r requirements/runtime.txt -r requirements/embedded.txt -r requirements/build.txt
	@touch $@

.venv/run.stamp: .venv/lock.stamp $(PACKAGES:=/pyproject.toml)
	@echo "setup: the product's own packages"
	@mkdir -p proto/gen
	@$(PIP) install --no-index --no-build-isolation --no-deps $(foreach package,$(PACKAGES),--editable $(package))
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements/dev.txt
	@echo "setup: test and lint tools"
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

# The pages' tools; only when the lock changed, with exactly the lock's versions.
$(PAGES)/node_modules/.stamp: $(PAGES)/package-lock.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
	  || { echo "The console and the widget are built with Node 20.19 or newer, which is not on the PATH; install it (https://nodejs.org) and run this again."; exit 1; }
	@echo "setup: the pages' packages"
	@npm --prefix $(PAGES) ci --silent
	@touch $@

build/pages/.stamp: $(PAGES)/node_modules/.stamp $(PAGE_SOURCES)
	@echo "build: console and widget"
	@mkdir -p build/pages
	@npm --prefix $(PAGES) run --silent build
	@touch $@
