# Everything runs from .venv, which each target makes as far as it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Several nodes may start from one checkout at once. Without flock(1) they must take turns.
LOCK := $(if $(shell command -v flock),flock Makefile)

# Checks and tests start from defaults, whatever the shell has set for a node.
NODE_VARIABLES := $(filter GOSSIP_% P2P_% DJANGO_%,$(.VARIABLES)) \
	DATABASE_URL HOST NODE_ID NODE_STATE_FILE PORT PUBLIC_URL
CLEAN := env $(addprefix -u ,$(NODE_VARIABLES))

.DEFAULT_GOAL := help
.PHONY: help run cluster test check format bench soak prove-convergence prove-crash prove-detector prove-hostile prove-sizes prove-split prove-state clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: venv-runtime ## Run a node here; PORT, GOSSIP_BOOTSTRAP_PEERS and others from the environment
	@exec $(BIN)/python manage.py rungossip

cluster: venv-cluster ## Run three nodes here, one of them in several processes; PORT is their first
	@exec $(BIN)/python -m gossipnode.cluster

# One more than a small machine has cores, for tests wait as well; a file stays together, for its
# cluster's sake.
WORKERS ?= 3
test: venv-dev chromium postgresql nginx ## Run the whole suite; ARGS are passed to pytest
	@$(CLEAN) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: venv-dev ## Formatting, lint, types, migrations, deployment checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(CLEAN) $(BIN)/mypy
	@$(CLEAN) sh -ec 'GOSSIP_DATA_DIR=$$(mktemp -d); export GOSSIP_DATA_DIR; \
		trap "rm -rf $$GOSSIP_DATA_DIR" EXIT; set -x; \
		$(BIN)/python manage.py makemigrations --check --dry-run; \
		PUBLIC_URL=https://node.example GOSSIP_PUBLIC_URL=wss://node.example/ws HOST=0.0.0.0 \
			GOSSIP_API_TOKENS=a-token-for-the-check \
			$(BIN)/python manage.py check --deploy --fail-level WARNING'

format: venv-dev ## Format, and repair what lint can repair
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: venv-dev ## Measure, resuming, and write docs/benchmarks.md
	@$(CLEAN) $(BIN)/python -m tests.benchmarks --write docs/benchmarks.md

SOAK_SECONDS ?= 1200
soak: venv-dev ## Break eight real nodes on purpose for SOAK_SECONDS; ARGS are passed on
	@$(CLEAN) $(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS) $(ARGS)

prove-convergence: venv-dev ## Run the long simulations, resuming where they stopped
	@$(CLEAN) $(BIN)/python -m tests.simulation.prove_convergence

prove-state: venv-dev ## Run hours of everything that may happen to the state, resuming
	@$(CLEAN) $(BIN)/python -m tests.simulation.prove_state $(ARGS)

prove-crash: venv-dev ## Kill nodes at random instants, resuming where it stopped
	@$(CLEAN) $(BIN)/python -m tests.crash.prove_crash $(ARGS)

prove-detector: venv-dev ## Run hours of loss and stalls, whether anybody is given up, resuming
	@$(CLEAN) $(BIN)/python -m tests.simulation.prove_detector $(ARGS)

prove-sizes: venv-dev ## Simulate clusters of several sizes for docs/benchmarks.md, resuming
	@$(CLEAN) $(BIN)/python -m tests.simulation.prove_sizes $(ARGS)

prove-split: venv-dev ## Cut a cluster of a thousand nodes in two for an hour, and heal it
	@$(CLEAN) $(BIN)/python -m tests.simulation.prove_split $(ARGS)

prove-hostile: venv-dev ## Send mutated frames to the core, resuming where it stopped
	@$(CLEAN) $(BIN)/python -m tests.property.prove_hostile $(ARGS)

clean: ## Remove the virtual environment, caches and unfinished benchmarks, not the nodes' data
	rm -rf $(VENV) .benchmarks.jsonl .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The status page is tested in Debian's Chromium, the store on Debian's PostgreSQL and the manual's
# proxy with Debian's nginx; of both the tests run servers of their own. Without them these tests say
# that they did not run.
.PHONY: chromium postgresql nginx
chromium postgresql nginx:
	@found() { command -v $@ || ls -d /usr/lib/$@/*/bin/initdb || ls /usr/sbin/$@; }; \
	found > /dev/null 2>&1 && exit; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "installing $@"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
			apt-get -qq install --no-install-recommends $@ > /dev/null; \
	fi; \
	found > /dev/null 2>&1 || echo "NOT TESTED with $@: it is missing"

# A copy of what was installed last, kept in the environment, tells whether to install again. The
# environment keeps the Python that made it, whichever comes first in PATH by now.
.PHONY: venv-runtime venv-cluster venv-dev
venv-runtime: WANTED := requirements.txt
venv-cluster: WANTED := requirements.txt requirements-valkey.txt
venv-dev: WANTED := requirements.txt requirements-postgres.txt requirements-valkey.txt requirements-dev.txt
venv-runtime venv-cluster venv-dev:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=…")'
	@$(LOCK) sh -ec ' \
		$(BIN)/python -c "" 2> /dev/null || $(PYTHON) -m venv --clear $(VENV); \
		cat $(WANTED) | cmp -s - $(VENV)/$@ && exit; \
		echo "installing $(lastword $(WANTED)) into $(VENV)"; \
		$(PIP) $(addprefix -r ,$(WANTED)); \
		cat $(WANTED) > $(VENV)/$@'
