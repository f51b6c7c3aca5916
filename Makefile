# valuemart: what a person does with a clone. `make help` lists it.
# Needs python3 (3.11 to 3.13), make and a package registry; pip's own configuration is honoured.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
GENERATED := expectations.codegen.dictionary expectations.codegen.frame_schemas flows.codegen.event_schemas flows.codegen.rule_pages
LINES ?= 1000000
CUSTOMERS ?= 20000
FILES ?= 2000
MINUTES ?= 30
UV ?= uv
LOCK = $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--all-extras --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet

# Otherwise each process would compile all that it imports anew, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run serve test test-long check check-real bench bench-predict bench-credit bench-decline bench-stability bench-latency bench-scale chaos fuzz soak soak-consumers docs audit sbom clean lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## set up .venv with the locked dependencies; .venv/bin/valuemart is the result

$(STAMP): requirements-dev.lock requirements-install.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "valuemart needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing the locked dependencies into $(VENV) (once)"
	@$(BIN)/python deploy/install.py requirements-dev.lock
	@touch $@

run: $(STAMP) ## make a sample company, load, rate and publish it: valuemart demo
	@$(BIN)/valuemart demo

serve: $(STAMP) ## run everything on this machine: Prefect server, deployments, worker, watcher: valuemart serve
	@exec $(BIN)/valuemart serve

test: check ## all checks and all tests, and which twenty took longest
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations=20

test-long: $(STAMP) ## the tests that take minutes: kills and cuts of every sink, dead workers, old DuckDB versions
	@$(BIN)/python -m pytest -m long --timeout 1800

check-real: $(STAMP) ## what needs the real data sets (VALUEMART_REAL_DATA names their folder); fails where they are not there
	@VALUEMART_REQUIRE_REAL=1 $(BIN)/python -m pytest -m real --durations=20

check: $(STAMP) ## lint, format, types, room borders, dependencies, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry .
	@for made in $(GENERATED); do $(BIN)/python -m $$made --check || exit 1; done

docs: $(STAMP) ## write anew what is made: data dictionary, frame and event schemas, pages on the rules
	@for made in $(GENERATED); do $(BIN)/python -m $$made || exit 1; done

bench: $(STAMP) ## measure a refresh and its load (LINES=1000000), a rating (CUSTOMERS=20000), the mart's views and the report (DEMO=./var has a demo)
	@$(BIN)/python -m tests.bench.refresh $(LINES)
	@$(BIN)/python -m tests.bench.loading $(LINES)
	@$(BIN)/python -m tests.bench.rating $(CUSTOMERS)
	@$(BIN)/python -m tests.bench.views $(DEMO)
	@$(BIN)/python -m tests.bench.report $(DEMO)

bench-predict: $(STAMP) ## how well ratings and expected figures predict the next period, beside yardsticks (real sets, the sample company)
	@$(BIN)/python -m tests.bench.predict

bench-credit: $(STAMP) ## how early and how rightly credit warnings come, beside naive rules (real set, a made ledger)
	@$(BIN)/python -m tests.bench.credit

bench-decline: $(STAMP) ## how early and how rightly declines are warned of, beside naive rules (real sets, a made world)
	@$(BIN)/python -m tests.bench.decline

bench-stability: $(STAMP) ## how calm tiers are: under noise, and with the memory on and off (the sample company)
	@$(BIN)/python -m tests.bench.stability

bench-latency: $(STAMP) ## measure from a landing to its event, on a server of its own (ten minutes)
	@$(BIN)/python -m tests.bench.latency

bench-scale: LINES = 10000000
bench-scale: $(STAMP) ## measure a first load and small batches in a file and on lakes, by one and by two workers (LINES=10000000; needs PostgreSQL)
	@VALUEMART_REQUIRE_SERVICES=1 $(BIN)/python -m tests.bench.scale $(LINES)

chaos: $(STAMP) ## every sink: 10,000 events, five stops of its receiver, twenty kills of the relay (needs the brokers)
	@VALUEMART_REQUIRE_SERVICES=1 $(BIN)/python -m pytest -q -m long tests/sinks/test_chaos.py

fuzz: $(STAMP) ## load files broken in every way (FILES=2000), and print how they ended
	@$(BIN)/python -m tests.fuzz.fuzzing $(FILES)

audit: ## ask an advisory database (OSV_URL, else osv.dev) about the lock; fails where none can be asked
	@$(PYTHON) deploy/supply_chain.py audit requirements.lock

sbom: ## write the lock's bill of materials (CycloneDX) to dist/valuemart.cdx.json
	@mkdir -p dist
	@$(PYTHON) deploy/supply_chain.py sbom requirements.lock > dist/valuemart.cdx.json

soak: $(STAMP) ## serve for MINUTES=30 with landings, readers and kills, and say what was lost and how large all became
	@$(BIN)/python -m tests.deployed.soak $(MINUTES)

soak-consumers: $(STAMP) ## every consumer of the docs at once for MINUTES=30, half of them quiet until the end
	@$(BIN)/python -m tests.sinks.soak $(MINUTES)

clean: ## remove .venv, caches and build leftovers (never ./var, where the data lies)
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find flows transforms expectations warehouse tests -name __pycache__ -type d -prune -exec rm -rf {} +

lock: ## resolve the dependencies anew (needs uv; for maintainers)
	@printf '%s==1.5.5\n' duckdb duckdb-cli duckdb-extension-ducklake \
		duckdb-extension-postgres-scanner duckdb-extension-sqlite-scanner \
		duckdb-extension-httpfs duckdb-extension-aws > .lock-pins
	@$(LOCK) -c .lock-pins -o requirements.lock
	@$(LOCK) --group dev -c requirements.lock -c .lock-pins -o requirements-dev.lock
	@echo uv | $(UV) pip compile - --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --quiet -o requirements-install.lock
	@rm -f .lock-pins
