# Every verb sets up what it needs: a virtual environment in .venv, exactly as requirements.lock pins it.
PYTHON ?= python3
VENV   := .venv
READY  := $(VENV)/ready
RUN    := $(VENV)/bin/
NODE   := tests/browser/node_modules/ready
KEPT   := tests/micro/baseline.json
MICRO  := $(RUN)pytest tests/micro --benchmark-enable --benchmark-only --benchmark-max-time=0.5 \
	--benchmark-group-by=fullfunc --benchmark-sort=name --benchmark-columns=min,median,ops,rounds

# Containers often set it; the hundreds of processes of a run would each compile the whole project.
unexport PYTHONDONTWRITEBYTECODE

help: # what there is
	@grep -E '^[a-z-]+:' $(MAKEFILE_LIST) | sed -E 's/:[^#]*(# (.*))?$$/\t\2/' | expand -t 12

.PHONY: help demo compare test test-lowest test-long micro micro-baseline perf lint types types-browser picture docs results-page format lock clean

demo: $(READY) # one stream over several lanes side by side, in the browser
	$(RUN)streamlanes demo $(ARGS)

compare: $(READY) # measure the four lanes and print a table, in a minute
	$(RUN)streamlanes compare $(ARGS)

test: $(READY) # all tests but the long ones; they wait half of the time, so three at a time, also on two CPUs
	$(RUN)pytest --numprocesses=3 --dist=worksteal $(ARGS)

test-lowest: $(READY) # the same with the lowest versions that pyproject.toml allows, but for what measures
	$(RUN)uv venv --quiet --clear --python $(RUN)python build/lowest
	$(RUN)uv pip compile --quiet --no-header --resolution lowest-direct --extra bench --extra upstream -o build/lowest.txt pyproject.toml
	$(RUN)uv pip install --quiet --python build/lowest/bin/python --constraint build/lowest.txt --editable '.[bench,upstream]' --group dev
	build/lowest/bin/python -m pytest --numprocesses=3 --dist=worksteal -W default tests/producers tests/transports src/streamlanes/contract tests/clients tests/guarantees $(ARGS)

test-long: $(READY) # the tests that take minutes, such as 2,000 examples of readers under faults
	$(RUN)pytest -m long $(ARGS)

micro: $(READY) # what our own code costs, step by step, against the run that was kept
	$(MICRO) --benchmark-compare=$(KEPT) --benchmark-compare-fail=min:100% $(ARGS)

micro-baseline: $(READY) # keep a run of this machine as the one to compare with
	$(MICRO) --benchmark-json=$(KEPT) $(ARGS)

perf: $(READY) # instructions that a delivery takes on each lane, at 10 and at 100 readers; needs valgrind
	@command -v valgrind >/dev/null || { echo "valgrind isn't here: apt-get install valgrind"; exit 1; }
	$(RUN)python -m tests.micro.instructions

lint: $(READY) # ruff, as CI runs it
	$(RUN)ruff check .
	$(RUN)ruff format --check .

types: $(READY) # mypy --strict, and tsc --strict for what browsers run, where there is npm
	$(RUN)mypy
	@for app in examples/*/*.py; do $(RUN)mypy $$app || exit; done
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory types-browser; \
	else echo "npm isn't here: the browser's client was not checked"; fi

types-browser: $(NODE) # tsc --checkJs --strict, of the browser's client in its modules and as the server sends it
	@mkdir -p build
	$(RUN)python -c 'from streamlanes.transports.server import browser as b; print(b.browser_client().decode())' > build/streamlanes.js
	tests/browser/node_modules/.bin/tsc --project tests/browser
	tests/browser/node_modules/.bin/tsc --project tests/demos/page

picture: $(READY) # take the README's pictures of the demo anew, with Chromium
	$(RUN)python docs/picture.py

format: $(READY) # what a formatter can mend
	$(RUN)ruff check --fix .
	$(RUN)ruff format .

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "streamlanes needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN)python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(RUN)python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(NODE): tests/browser/package-lock.json
	npm ci --prefix tests/browser --no-audit --no-fund
	@touch $@

docs: $(READY) # the docs site, in site/; a broken link or a docstring that can't be read is an error
	$(RUN)sphinx-build -W --keep-going -q docs site

results-page: $(READY) # run docs/results.md's first scenario again and make its page, in 11 minutes
	$(RUN)streamlanes compare telemetry --lanes all --out build/telemetry
	$(RUN)streamlanes report build/telemetry --html build/telemetry.html

lock: # the newest versions that pyproject.toml allows, for every platform and every Python from 3.11 on
	$(RUN)uv pip compile --quiet --universal --upgrade --all-extras --group dev --group docs --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

clean: # all but results/
	rm -rf $(VENV) tests/browser/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
