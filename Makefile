# Everything runs from .venv; nothing needs to be activated or typed before.
# Needs Python 3.11 or newer with venv (Debian: python3-venv), git and make.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
SYNCED := $(VENV)/synced
JOBS ?= 2
SOURCES := imager orders tasks_app warehouse workers manage.py

# Linters and catalogues load the settings and ask no server for anything.
NO_SERVERS := DATABASE_URL=postgres://none@127.0.0.1:9/none REDIS_URL=redis://127.0.0.1:9/0 \
	DJANGO_SETTINGS_MODULE=imager.settings.dev

.PHONY: help venv demo test up lint messages schema bench chaos storm boot-test vm-test compose-test
.DEFAULT_GOAL := help

help:
	@echo "make demo      the whole line, from an order to two verified cards"
	@echo "make up        the same stack in the foreground, for development"
	@echo "make test      all tests (ARGS='-k word' for some, JOBS=4 on more cores)"
	@echo "make lint      linters, types, walls, migrations, message catalogues"
	@echo "make compose-test  the Docker deployment, really started (root; see docker/README.md)"
	@echo "make boot-test a card made by recipe boots in an emulator (needs qemu-system-arm; fetches 62 MB from Debian)"
	@echo "make vm-test   card readers are pulled while cards are written, in an emulator (needs qemu-system-x86; fetches 80 MB)"
	@echo "make messages  bring the message catalogues up to date (needs gettext)"
	@echo "make schema    bring docs/api.yaml up to date after a change of the API"
	@echo "make bench     all benchmarks, figures as JSON in benchmarks/out"
	@echo "make chaos     kills and restarts while orders are on their way (N=30 of them, SEED=1)"
	@echo "make storm     thousands of kills and freezes in processes of their own (KILLS=10000 SEED=1 MINUTES=240)"
	@echo "make venv      only $(VENV), with the locked requirements"

venv: $(SYNCED)

demo: $(SYNCED)
	@exec $(RUN) -m imager.demo

up: $(SYNCED)
	@exec $(RUN) -m imager.up

test: $(SYNCED)
	@exec $(RUN) -m pytest --numprocesses $(JOBS) $(ARGS)

bench: $(SYNCED)
	@$(RUN) -m benchmarks.dispatch
	@$(RUN) -m benchmarks.beats
	@$(RUN) -m benchmarks.build
	@$(RUN) -m benchmarks.card_write
	@$(RUN) -m benchmarks.pages

chaos: $(SYNCED)
	@CHAOS_N=$(or $(N),30) CHAOS_SEED=$(or $(SEED),1) $(RUN) -m pytest tests/acceptance/chaos -m chaos -s $(ARGS)

storm: $(SYNCED)
	@exec $(RUN) -m tests.acceptance.chaos.storm --kills $(or $(KILLS),10000) --seed $(or $(SEED),1) \
		--minutes $(or $(MINUTES),240) --control "$(CONTROL)" $(ARGS)

boot-test: $(SYNCED)
	@$(RUN) -m pytest tests/acceptance/boot -m boot $(ARGS)

vm-test: $(SYNCED)
	@$(RUN) -m pytest tests/acceptance/vm -m vm $(ARGS)

# All parts run, so that one failure does not hide the next.
lint: $(SYNCED)
	@failed=; \
	part() { name=$$1; shift; echo "== $$name: $$*"; "$$@" || failed="$$failed $$name"; }; \
	export $(NO_SERVERS); \
	part ruff $(VENV)/bin/ruff check --output-format concise .; \
	part format $(VENV)/bin/ruff format --check --output-format concise .; \
	part types $(RUN) -m mypy $(SOURCES); \
	part walls $(VENV)/bin/lint-imports; \
	part migrations $(RUN) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run; \
	part catalogues $(RUN) .ci/catalogs.py check; \
	part schema $(RUN) .ci/schema.py check; \
	if [ -n "$$failed" ]; then echo "make lint: failed:$$failed" >&2; exit 1; fi

compose-test:
	@exec docker/test.sh

messages: $(SYNCED)
	$(RUN) .ci/catalogs.py make

# After a change of the API: its description and the example client's models.
schema: $(SYNCED)
	@$(NO_SERVERS) $(RUN) .ci/schema.py make

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; '$(PYTHON)' is older or missing. Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }

# pip only brings uv, in the locked version; uv is ten times faster with the rest.
$(SYNCED): requirements/dev.txt | $(RUN)
	@echo "Installing the locked requirements in $(VENV) …"
	@awk '/^[a-zA-Z0-9]/ { wanted = /^uv==/ } wanted' requirements/dev.txt > $(VENV)/uv.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	@$(VENV)/bin/uv pip sync --quiet --require-hashes --compile-bytecode --python $(RUN) requirements/dev.txt
	@touch $(SYNCED)
