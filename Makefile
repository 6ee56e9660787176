# The verbs of this project. Each one makes the virtual environment first if it is missing or out of date.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ORACLES := .venv-oracles

IMAGES ?=
PORT   ?= 7860
KILLS  ?= 10000
PROCESSES ?= 3  # of the tests: much of their time is waiting for servers and for other processes

# Nothing here phones home.
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GRADIO_ANALYTICS_ENABLED := False
export HF_HUB_DISABLE_TELEMETRY := 1
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help setup run test slow soak oracles lint format bench clean

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## Make .venv with the exact versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "expected Python 3.11 or newer, found %d.%d; set PYTHON=python3.11" % sys.version_info[:2])'
	@echo "installing into $(VENV): several GB, once; minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --config-settings editable_mode=compat --editable '.[dev]'
	@touch $(STAMP)

run: $(STAMP) ## Label IMAGES=some/folder (or a sample portrait) and open the review page on PORT
	@$(BIN)/python -m manifests doctor --quiet --port $(PORT) || { echo "another port: make run PORT=7861" >&2; exit 1; }; \
	images="$(IMAGES)"; \
	if [ -z "$$images" ]; then images=$$($(BIN)/python -m pipeline.sample --output data/sample) || exit 1; fi; \
	$(BIN)/python -m pipeline.generate --images "$$images" || exit $$?; \
	echo "next: judge the masks on the page, press Publish, and fit a student in another terminal:"; \
	echo "  $(BIN)/python -m trainer.fit --init starter --manifest manifests/vN.parquet   (N: the version Publish names)"; \
	exec $(BIN)/python -m review_ui --port $(PORT)

test: $(STAMP) ## Run the tests but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(PROCESSES) --dist loadfile

slow: $(STAMP) ## Run the slow tests: several processes, servers, large networks
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n 2 --dist loadfile

soak: $(STAMP) ## Kill a process KILLS times in the middle of its work on a dataset, and check after each kill
	OMP_NUM_THREADS=1 PYTHONPATH=.:tests/support $(BIN)/python tests/soak/kills.py --kills $(KILLS)

oracles: $(STAMP) $(ORACLES)/.installed ## Compare masks with FiftyOne's and Datumaro's own, installed in .venv-oracles
	$(BIN)/python -m pytest tests/manifests/test_oracles.py

$(ORACLES)/.installed: Makefile
	$(PYTHON) -m venv $(ORACLES)
	$(ORACLES)/bin/python -m pip install --quiet --disable-pip-version-check fiftyone==1.22.1 datumaro==1.13.12
	@touch $@

lint: $(STAMP) ## Check style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy docs/*.py docs/experiments/*.py
	$(BIN)/lint-imports

format: $(STAMP) ## Rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Measure speed and memory as ratios against named baselines
	$(BIN)/python -m trainer.bench
	$(BIN)/python -m pipeline.bench
	$(BIN)/python -m review_ui.bench
	$(BIN)/python -m manifests.bench

clean: ## Remove caches and the virtual environments; data and manifests stay
	rm -rf $(VENV) $(ORACLES) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
