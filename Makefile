# Set-up and every-day commands. `make help` lists them.
PYTHON ?= python3
VENV := .venv/bin/python
STACK := $(VENV) -m local_stack
# Taken as they are typed: make would read a $ in them as its own. They reach the commands as environment variables.
override SQL := $(value SQL)
override REQUEST := $(value REQUEST)
export SQL REQUEST

.DEFAULT_GOAL := help
.PHONY: help setup mine up down status psql expectations policy searches test pictures bench faults lint types walls check fixes lock clean

help: ## this list
	@echo 'make mine works on a fresh clone: it sets up all it needs.'
	@sed -n 's/^\([.a-z]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

setup: ## the virtual environment .venv, with all packages; done again only when they change
	@$(PYTHON) include/local_stack/bootstrap.py setup

mine: setup ## one mining run through Airflow and its summary; REQUEST=file.yaml mines that request
	@$(STACK) mine $${REQUEST:+"$$REQUEST"}

up: setup ## start everything, with Airflow's UI on localhost; leaves it running
	@$(STACK) up

down: setup ## stop everything
	@$(STACK) down

status: setup ## what runs
	@$(STACK) status

psql: setup ## a SQL shell on the CRM database; SQL="select ..." runs one statement
	@$(STACK) psql $${SQL:+"$$SQL"}

expectations: setup ## the quality rules that hold, your own too; says what is wrong with one
	@$(STACK) expectations

policy: setup ## what the installation's policy allows; says what is wrong with it
	@$(STACK) policy

searches: setup ## the saved searches, and when each is due; says what is wrong with one
	@$(STACK) searches

test: setup ## the whole test suite, with coverage; ARGS="tests/unit -k ledger" runs some of it
ifdef ARGS
	@$(VENV) -m pytest $(ARGS)
else
	@$(VENV) -m pytest --numprocesses=2 --cov --cov-report= -m 'not e2e'
	@$(VENV) -m pytest --cov --cov-append -m e2e
endif

PICTURES := trigger-form=2-form-filled run=4-run-ended requests=20-requests-light request=21-request-light \
  note=26-note-light generate=41-generate-filled-light preview=42-generate-preview-light credits=43-credits-light \
  searches=50-searches-light
pictures: setup ## the documents' pictures anew, as the end-to-end tests take them
	@LEAD_MINING_SCREENSHOTS=$(CURDIR)/.local/pictures $(VENV) -m pytest -m e2e tests/e2e/test_ui.py tests/e2e/*_pages.py tests/e2e/test_searches_page.py
	@for each in $(PICTURES); do cp ".local/pictures/$${each#*=}.png" "docs/images/$${each%%=*}.png"; done

BENCH ?= floor parse start load validate deduplicate extract many whole
bench: setup ## how fast, each beside a reference in the same run: about half an hour; BENCH="load validate" runs some
	@set -e; for each in $(BENCH); do echo "== $$each"; $(VENV) benchmarks/$$each.py; done

faults: setup ## a run killed at every point, on each kind of CRM; the database server too, and full or locked: about four hours
	@LEAD_MINING_FAULTS=all $(VENV) -m pytest tests/integration/faults

lint: setup ## style
	@$(VENV) -m ruff check
	@$(VENV) -m ruff format --check

types: setup ## mypy, strict
	@$(VENV) -m mypy

walls: setup ## which part may import which
	@$(VENV) -c 'from importlinter.cli import lint_imports_command as walls; walls()'

check: lint types walls policy searches ## lint, types, walls, policy and saved searches

fixes: setup ## let ruff mend what it can
	@$(VENV) -m ruff check --fix
	@$(VENV) -m ruff format

lock: ## the lock files anew from pyproject.toml, for every platform, with hashes
	@$(PYTHON) include/local_stack/bootstrap.py lock

.env: ## secrets for docker compose, made at random; an existing file is kept
	@(umask 077; $(PYTHON) include/local_stack/dotenv.py > .env.new && mv .env.new .env)

clean: ## stop everything; remove .local, .venv and all caches
	@if [ -x $(VENV) ]; then $(STACK) clean; elif [ -d .local ]; then PYTHONPATH=include $(PYTHON) -m local_stack clean; fi
	@rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage* build dist include/*.egg-info
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
