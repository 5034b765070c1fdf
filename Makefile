# The contributor's guide: each target says what it is for. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv/bin
COHORT ?= cohorts/example.yaml
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Threads that spin while they wait for each other starve each other where two processes train at
# once, as the tests and the demo do.
export OMP_WAIT_POLICY := PASSIVE
# What is compiled is kept: half of what a test process takes to read all tests in, and much of every
# program that tests start.
unexport PYTHONDONTWRITEBYTECODE
# For tests that reach the CDK by another way than infra/stacks, which sets these itself.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1

.PHONY: help install demo test test-slow test-exhaustive test-clients test-sdk lint format audit fidelity lock image clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

install: .venv/.installed node_modules/.installed ## everything the other targets need (about 2 minutes)

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(VENV)/python -m pip install --quiet --constraint constraints.txt pip setuptools wheel
# PyTorch by its exact version first: left to a dependency, pip would take the newest CUDA build.
	$(VENV)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	PYTHONWARNINGS=ignore $(VENV)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

node_modules/.installed: package.json package-lock.json
	npm ci --silent
	@touch $@

demo: install ## a whole small academy on the embedded cloud, from deploy to destroy (KEEP=1 leaves it open)
	$(VENV)/cohort demo $(if $(KEEP),--keep)

test: install ## the tests, on both cores (some ten minutes)
	$(VENV)/python -m pytest -n 2 --dist loadfile -m "not (slow or clients or sdk or exhaustive)"

test-slow: install ## tests that take minutes: all notebooks, a cohort's life on images of its own
	$(VENV)/python -m pytest -n 2 --dist loadfile -m "slow and not exhaustive"

test-exhaustive: install ## every fault, every type, every resource that may fail, in turn (half an hour)
	$(VENV)/python -m pytest -n 2 --dist loadfile -m exhaustive

test-clients: install ## official clients against the embedded cloud: AWS CLI, CDK CLI, another IAM simulator
	$(VENV)/python -m pytest -n 2 --dist loadfile -m clients

test-sdk: install .venv-sdk/.installed ## SageMaker's own Python SDK, in an environment of its own (1 GB)
	$(VENV)/python -m pytest -m sdk tests/sdk

.venv-sdk/.installed: tests/sdk/constraints.txt
	$(PYTHON) -m venv --clear .venv-sdk
	.venv-sdk/bin/python -m pip install --quiet --constraint tests/sdk/constraints.txt sagemaker
	@touch $@

lint: install ## style, types, Dockerfiles
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/hadolint workspace_images/Dockerfile workspace_images/stand_in/Dockerfile

format: install ## rewrite files in the project's style
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .

audit: install ## known vulnerabilities of everything that is pinned (says what it could not ask)
	PATH="$(CURDIR)/$(VENV):$$PATH" $(VENV)/python -m infra.assurance.dependencies

image: install ## build the workspace images and prove that they work (PROJECT=segmentation: only that one)
	$(VENV)/python -m workspace_images.verify $(if $(PROJECT),--project $(PROJECT))

fidelity: install ## docs/fidelity.md anew: runs what tries the embedded cloud, and says what it saw
	@mkdir -p out && rm -f out/cloud-log.jsonl
	ACADEMY_CLOUD_LOG=$(CURDIR)/out/cloud-log.jsonl $(VENV)/python -m pytest -n 2 --dist loadfile -m "not sdk" \
	  tests/offline tests/end_to_end --deselect tests/offline/test_fidelity_document.py
	ACADEMY_CLOUD_LOG=$(CURDIR)/out/cloud-log.jsonl $(MAKE) test-sdk demo
	$(VENV)/python -m tests.offline.fidelity_document out/cloud-log.jsonl

lock: install ## renew constraints.txt from what is installed, and the images' locks from their inputs
	@{ echo "# Versions that work together; 'make lock' renews this file from what is installed."; \
	  $(VENV)/python -m pip list --format=freeze --exclude-editable | sed 's/+cpu//' | sort -f; } > constraints.txt
	$(VENV)/python workspace_images/locks/lock.py

clean: ## remove what was built; the installation stays
	rm -rf out cdk.out build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
