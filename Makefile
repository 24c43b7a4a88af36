# Every task of this project; `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help environment run demo

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

environment: ## Make .venv as uv.lock says, bringing uv if it is missing
	@sh libs/onebox/environment.sh

run: environment ## Start the whole system on this machine; HOST, PORT, DATA_DIR, MODEL_API_KEY, … steer it
	@exec .venv/bin/python -m onebox --follow-parent

demo: environment ## Use the running system as a user would
	@exec .venv/bin/python -m onebox.demo
