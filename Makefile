# Needs Python >= 3.11 and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# Links of a checkout that a source distribution lacks; see tests/importroot/README.md.
LINKS := tests/importroot/trouper/runtime tests/importroot/trouper/actors

.PHONY: install demo test test-clients test-clients-npm test-packaging check docs format bench clean

install: $(STAMP)
	@$(BIN)/trouper local install

$(LINKS):
	@mkdir -p $(@D)
	@ln -s ../../../$(@F) $@

$(STAMP): pyproject.toml | $(LINKS)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]' --group dev
	@touch $(STAMP)

# A conversation with a real model on this machine; the first time fetches 98 MB.
demo: $(STAMP)
	@$(BIN)/trouper local install
	@$(BIN)/trouper demo $(if $(SAY),--say "$(SAY)")

test: $(STAMP)
	@$(BIN)/trouper local install
	$(BIN)/python -m pytest -n 3 --dist worksteal --cov --cov-report=term

# Clients that people have, unmodified, each in an environment of its own.
test-clients: $(STAMP)
	$(BIN)/python -m pytest -m clients tests/clients

test-clients-npm: $(STAMP)
	$(BIN)/python -m pytest -m clients_npm tests/clients

# What we publish, built and installed in environments of its own.
test-packaging: $(STAMP)
	$(BIN)/python -m pytest -m packaging tests/packaging

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tests/file_length.py

# The documentation as a site, in build/site; a warning is an error.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file docs/site/mkdocs.yml
	$(BIN)/python -m tests.documentation_site

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf .venv .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
