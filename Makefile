# Every task of this project; `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help environment run demo check style types imports dependencies goldens format test quick golden bench chaos

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

environment: ## Make .venv as uv.lock says, bringing uv if it is missing
	@sh libs/onebox/environment.sh

run: environment ## Start the whole system on this machine; HOST, PORT, DATA_DIR, MODEL_API_KEY, … steer it
	@exec .venv/bin/python -m onebox --follow-parent

demo: environment ## Use the running system as a user would
	@exec .venv/bin/python -m onebox.demo

check: style types imports dependencies goldens ## All that needs no running server: style, types, imports, dependencies, goldens

style: environment
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .

types: environment
	@.venv/bin/pyright

imports: environment
	@.venv/bin/lint-imports --no-logo

# In the one environment of the workspace a member can import what it never declared; in its own image it would fail.
members := $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml))
comma := ,
space := $() $()
packages := $(subst $(space),$(comma),$(foreach name,$(notdir $(members)),agentapi-$(name)=$(subst -,_,$(name))))

dependencies: environment
	@for member in $(or $(MEMBER),$(members)); do \
		echo "$$member"; \
		(cd $$member && $(CURDIR)/.venv/bin/deptry --no-ansi . --package-module-name-map $(packages)) || failed=yes; \
	done; test -z "$$failed"

goldens: environment
	@.venv/bin/pytest -q tests/contracts/test_goldens.py tests/contracts/test_names.py tests/contracts/test_openapi.py

format: environment ## Put the code into its form, and mend what ruff can mend
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

test: environment ## Run all tests, on real PostgreSQL and NATS, on all cores
	@.venv/bin/pytest -n auto

quick: environment ## Run the tests that need no server, browser or agent
	@.venv/bin/pytest -q -n auto -m "not server"

golden: environment ## Write the goldens of messages, names and API; the diff is the review
	@.venv/bin/python -m tests.contracts.goldens
	@.venv/bin/python -m tests.contracts.names
	@.venv/bin/python -m tests.contracts.openapi

bench: environment ## Measure side by side; nothing is asserted
	@exec .venv/bin/python -m tests.bench

chaos: environment ## Harm a busy system of two replicas, 120 times, and look what became of it; SEED=1 repeats the faults
	@exec .venv/bin/python -m tests.chaos $(if $(SEED),--seed $(SEED))
