PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint docs tables dist clean

demo: $(VENV)/.installed  ## render streets, train for two minutes, evaluate, predict, write out/demo/report.html
	$(BIN)/partwise demo --out out/demo

test: $(VENV)/.installed  ## everything, on all cores: doctests, unit tests, learning checks, the import contract
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist worksteal

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed  ## the pages and the API reference as a site, out/site/README.html; a broken link is an error
	$(BIN)/python -m sphinx --nitpicky --fail-on-warning --keep-going -q -c docs . out/site

tables: $(VENV)/.installed  ## write the tables of README.md and docs/ from results/*.json
	$(BIN)/python docs/make_tables.py

dist: $(VENV)/.installed  ## sdist and wheels of the last commit in dist/, with absolute links: PAGES=URL PICTURES=URL
	rm -rf build/release
	mkdir -p build/release
	git archive HEAD | tar x -C build/release
	$(BIN)/python docs/absolute_links.py README.md --pages "$(PAGES)" --pictures "$(PICTURES)" > build/release/README.md
	$(BIN)/python -m build --outdir dist build/release
	$(BIN)/python -m build --outdir dist build/release/packages/streeteval
	$(BIN)/python -m build --outdir dist build/release/packages/streeteval-cs
	$(BIN)/python -m build --outdir dist build/release/packages/partwise-streets
	$(BIN)/python -m build --outdir dist build/release/packages/partwise-streets-free

$(VENV)/.installed: pyproject.toml constraints.txt packages/streeteval/pyproject.toml $(wildcard packages/partwise-streets*/pyproject.toml)
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "partwise needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e '.[dev]' -e packages/streeteval -e packages/partwise-streets -e packages/partwise-streets-free -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) out build dist
