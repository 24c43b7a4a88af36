# The tasks of this project. `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help environment run demo backup restore rebuild dead-letters reset-password secrets check style types imports dependencies goldens format test test-all quick golden picture bench chaos fuzz images deploy-check

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

environment: ## Create .venv from uv.lock; installs uv if it is missing
	@sh libs/onebox/environment.sh

run: environment ## Start the whole system; set HOST, PORT, DATA_DIR, MODEL_API_KEY, … to configure it
	@exec .venv/bin/python -m onebox --follow-parent

demo: environment ## Run a demo client against the running system
	@exec .venv/bin/python -m onebox.demo

secrets: environment ## Create the passwords, keys and certificates that containers need, in SECRETS (deploy/secrets)
	@.venv/bin/python -m onebox.installation $(or $(SECRETS),deploy/secrets)

backup_tool := $(if $(COMPOSE),sh deploy/backup.sh,.venv/bin/python -m onebox.backup)
service = $(or $(SERVICE),$(error Set SERVICE, such as SERVICE=session))
backup_file = $(or $(FILE),$(error Set FILE, such as FILE=/backups/monday))

backup: $(if $(COMPOSE),,environment) ## Save the running system of DATA_DIR to FILE, and its keys to FILE.keys; COMPOSE=1 for that of docker compose
	@$(backup_tool) save "$(backup_file)"

restore: environment ## Restore FILE, with FILE.keys beside it, to an empty DATA_DIR; COMPOSE=1 for empty volumes of docker compose
	@$(backup_tool) restore "$(backup_file)"

rebuild: $(if $(COMPOSE),,environment) ## Build READ_MODEL of SERVICE again from its events, beside the live one, and swap them; without READ_MODEL, list all; COMPOSE=1 as for backups
	@$(if $(COMPOSE),docker compose run --rm --no-deps $(service)-migration,.venv/bin/python -m onebox.operating $(service)) rebuild $(READ_MODEL)

dead-letters: environment ## Do DO (list, or show, retry or drop with numbers, a name or all) with the dead letters of SERVICE
	@.venv/bin/python -m onebox.operating $(service) dead-letters $(or $(DO),list)

reset-password: environment ## Set a new password for the account EMAIL of the running system, and print it
	@.venv/bin/python -m onebox.operating identity reset-password "$(or $(EMAIL),$(error Set EMAIL, such as EMAIL=admin@example.com))"

check: style types imports dependencies goldens ## Run all static checks: style, types, imports, dependencies, goldens

style: environment
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .

types: environment
	@.venv/bin/pyright

imports: environment
	@.venv/bin/lint-imports --no-logo

# All members share one environment, so an undeclared dependency would be noticed only in the image of a member.
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
	@.venv/bin/pytest -q tests/contracts/test_goldens.py tests/contracts/test_names.py tests/contracts/test_openapi.py tests/contracts/test_events.py tests/contracts/test_metrics.py tests/monitoring/test_expressions.py

format: environment ## Format the code and apply ruff's automatic fixes
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

# Each process that a run of tests starts would else compile the plugins of pytest again.
test test-all quick: export PYTHONDONTWRITEBYTECODE =

test: environment ## Run a test of each behaviour, with real PostgreSQL and NATS, on all cores
	@.venv/bin/pytest -n auto -m "not long" --durations=30

test-all: test ## Run also the long forms, every test of an agent with Claude Code, and more generated examples
	@.venv/bin/pytest -n auto -m "long or (agent and not claude_code)" --claude-code --durations=30
	@.venv/bin/pytest -q -n auto -m "not server and hypothesis" --hypothesis-profile=thorough

quick: environment ## Run only the tests that need no server, browser, agent or pool of child processes, and lay out no PDF
	@.venv/bin/pytest -q -n auto -m "not server and not layout and not long" --ignore=tests/e2e --ignore=tests/installed

golden: environment ## Update the golden files of messages, names, API, dashboards and manifests (with Helm), to review
	@.venv/bin/python -m tests.contracts.goldens
	@.venv/bin/python -m services.report.tests.goldens
	@.venv/bin/python -m tests.contracts.names
	@.venv/bin/python -m tests.contracts.events
	@.venv/bin/python -m tests.contracts.metrics
	@.venv/bin/python -m tests.monitoring.dashboards
	@.venv/bin/python -m tests.contracts.openapi
	@.venv/bin/python -m tests.kubernetes.rendering

picture: environment ## Take the picture of the console in the README, with a browser
	@.venv/bin/pytest -q -n 0 tests/e2e/console/test_picture.py --claude-code --console-picture docs/images/console.png

bench: environment ## Run the benchmarks; nothing is asserted
	@exec .venv/bin/python -m tests.bench

chaos: environment ## Inject 120 faults into a busy system of two replicas, and kill 200 runs; SEED=1 repeats them
	@.venv/bin/python -m tests.chaos $(if $(SEED),--seed $(SEED))
	@.venv/bin/python -m tests.chaos.rolling
	@exec .venv/bin/python -m tests.chaos.kills $(if $(SEED),--seed $(SEED))

fuzz: environment ## Send generated requests and WebSocket messages for 10 minutes each; SEED=1 repeats them
	@exec .venv/bin/python -m tests.fuzz $(if $(SEED),--seed $(SEED))

images: environment ## Build the images of all services, and list their contents in dist/sbom; needs Docker
	@sh deploy/images/build.sh

deploy-check: environment ## Build the images, run them with docker compose, and test both; needs Docker; LONG=1 also checks that builds are reproducible
	@sh deploy/check.sh -m "deploy$(if $(LONG),, and not long)"
