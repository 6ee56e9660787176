# The verbs of this project. Each one makes the virtual environment first if it is missing or out of date.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DEV    := $(VENV)/.installed-dev
ORACLES := .venv-oracles
FUZZ   := .fuzz
FIGURES := .bench.jsonl
GPU_FIGURES := .bench-gpu.jsonl
UV     := $(BIN)/uv
INSTALL := $(UV) pip install --python $(BIN)/python
EDITABLE := --no-build-isolation --config-settings editable_mode=compat --editable

# TORCH=cpu takes PyTorch's CPU builds, 4 GB less than the default with CUDA. EXTRAS=openvino,s3 adds optional packages.
TORCH  ?=
EXTRAS ?=

IMAGES ?=
PORT   ?= 7860
KILLS  ?= 10000
SECONDS ?= 600
CYCLES ?= 1000
FILES  ?= 5000
FUZZ_SECONDS ?= 600
DEVICE ?= auto
MINUTES ?= 8
HALF   = $(shell awk 'BEGIN { print $(MINUTES) / 2 }')
PRICE ?= 1
PROCESSES ?= 3  # of the tests: much of their time is waiting for servers and for other processes
SHARED_OUT := --dist loadfile --no-loadscope-reorder  # in the order of tests/conftest.py

# Nothing here phones home.
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GRADIO_ANALYTICS_ENABLED := False
export HF_HUB_DISABLE_TELEMETRY := 1
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: help setup lock audit run test slow soak fuzz oracles lint format docs pictures bench bench-gpu clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 11

setup: $(STAMP) ## Make .venv with what running needs, in exact versions; TORCH=cpu, EXTRAS=openvino,s3
ifneq ($(EXTRAS),)
	$(INSTALL) --constraint requirements/dev.txt $(EDITABLE) '.[$(EXTRAS)]'
endif

# Every file that is downloaded has its hash in requirements/; PyTorch's CPU builds alone come without.
$(STAMP): pyproject.toml requirements/build.txt requirements/run.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "expected Python 3.11 or newer, found %d.%d; set PYTHON=python3.11" % sys.version_info[:2])'
	@echo "installing into $(VENV), once: $(if $(filter cpu,$(TORCH)),about 2 GB,7 GB with CUDA; about 2 GB with TORCH=cpu)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/build.txt
ifeq ($(TORCH),cpu)
	$(INSTALL) --torch-backend cpu $(shell sed -n 's/^\(torch\(vision\)\{0,1\}==[^ ]*\).*/\1/p' requirements/run.txt)
	$(INSTALL) --require-hashes --no-deps --excludes requirements/gpu.txt --requirement requirements/run.txt
else
	$(INSTALL) --require-hashes --requirement requirements/run.txt
endif
	@$(INSTALL) --quiet --no-deps $(EDITABLE) .
	@touch $@

# Bytecode: the tests start hundreds of processes, and each would compile 4,000 modules where Python may not write them.
$(DEV): $(STAMP) requirements/dev.txt
	$(INSTALL) --require-hashes $(if $(filter cpu,$(TORCH)),--no-deps --excludes requirements/gpu.txt) --requirement requirements/dev.txt
	@$(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib || true  # a few packages hold templates that are no Python
	@touch $@

lock: $(STAMP) ## Write requirements/ from pyproject.toml, in the newest versions that work together
	printf 'setuptools\nuv\n' | $(UV) pip compile - --quiet --upgrade $(LOCK) --output-file requirements/build.txt
	$(UV) pip compile pyproject.toml --extra dev --quiet --upgrade $(LOCK) --output-file requirements/dev.txt
	$(UV) pip compile pyproject.toml --quiet --constraint requirements/dev.txt $(LOCK) --output-file requirements/run.txt
	sed -n 's/^\(\(torch\|torchvision\|triton\|nvidia-[^=]*\|cuda-[^=]*\)\)==.*/\1/p' requirements/run.txt | sort -u > requirements/gpu.txt

audit: $(STAMP) ## Look the pinned versions up among PyPI's known vulnerabilities
	$(UV) tool run pip-audit==2.10.1 --strict --disable-pip --require-hashes --requirement requirements/dev.txt

run: $(STAMP) ## Label IMAGES=some/folder (or a sample portrait), and review the masks meanwhile on PORT
	@exec $(BIN)/python -m manifests.run $(if $(IMAGES),--images "$(IMAGES)") --port $(PORT)

test: $(DEV) ## Run the tests but the slow ones
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(PROCESSES) $(SHARED_OUT)

slow: $(DEV) ## Run the slow tests: several processes, servers, large networks
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n $(PROCESSES) $(SHARED_OUT)

soak: $(DEV) ## Kill processes KILLS times at work, then put load on a server for SECONDS, then publish CYCLES times
	OMP_NUM_THREADS=1 PYTHONPATH=.:tests/support $(BIN)/python tests/soak/kills.py --kills $(KILLS)
	OMP_NUM_THREADS=1 PYTHONPATH=.:tests/support $(BIN)/python tests/soak/load.py --seconds $(SECONDS)
	OMP_NUM_THREADS=1 PYTHONPATH=.:tests/support $(BIN)/python tests/soak/load.py --cycles $(CYCLES)

fuzz: $(DEV) $(FUZZ)/.installed ## Read FILES hostile files, then fuzz four readers for FUZZ_SECONDS each
	OMP_NUM_THREADS=1 PYTHONPATH=.:tests/support $(BIN)/python tests/fuzz/files.py --files $(FILES)
	@for target in manifests rle masks api; do \
	OMP_NUM_THREADS=1 PYTHONPATH=.:tests/support:$(FUZZ) $(BIN)/python tests/fuzz/guided.py $$target \
		--seconds $(FUZZ_SECONDS) || exit 1; \
	done

$(FUZZ)/.installed: Makefile $(DEV)
	@mkdir -p $(FUZZ)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(FUZZ) --only-binary :all: \
		atheris==3.0.0 || echo "atheris has no wheel for this Python: the guided targets are skipped"
	@touch $@

oracles: $(DEV) $(ORACLES)/.installed ## Compare with other tools' own readers, installed in .venv-oracles
	$(BIN)/python -m pytest tests/manifests/test_oracles.py tests/pipeline/bridges

$(ORACLES)/.installed: Makefile
	$(PYTHON) -m venv $(ORACLES)
	$(ORACLES)/bin/python -m pip install --quiet --disable-pip-version-check fiftyone==1.22.1 datumaro==1.13.12 \
		label-studio-sdk==2.1.2 labelme==6.3.1 supervision==0.31.2
	$(ORACLES)/bin/python -m pip install --quiet --disable-pip-version-check --target $(ORACLES)/cvat cvat-cli==2.80.0
	@touch $@

lint: $(DEV) ## Check style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy docs/*.py docs/experiments/*.py
	MYPYPATH=docs/pictures $(BIN)/mypy docs/pictures/*.py
	$(BIN)/lint-imports

format: $(DEV) ## Rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DEV) ## Build the documentation as a site, in docs/_build
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build
	@echo docs/_build/index.html

pictures: $(DEV) ## Take the screenshots of the documentation again, in Chromium; docs/experiments draw their own plots
	$(BIN)/python docs/pictures/review.py --output docs/images
	$(BIN)/python docs/pictures/board.py --output docs/images
	$(BIN)/python docs/pictures/products.py --output docs/images

bench: $(DEV) ## Measure speed and memory as ratios against named baselines
	@rm -f $(FIGURES)
	$(BIN)/python -m trainer.bench --headline $(FIGURES)
	$(BIN)/python -m trainer.bench latency --headline $(FIGURES)
	$(BIN)/python -m pipeline.bench --headline $(FIGURES)
	$(BIN)/python -m review_ui.bench --headline $(FIGURES)
	$(BIN)/python -m manifests.bench --headline $(FIGURES)
	@echo
	@$(BIN)/python -m manifests.bench.headline $(FIGURES)

bench-gpu: $(DEV) ## Measure a GPU for MINUTES: the pipeline's parts and training; cost of a million at PRICE an hour
	@rm -f $(GPU_FIGURES)
	$(BIN)/python -m pipeline.bench.gpu --device $(DEVICE) --minutes $(HALF) --figures $(GPU_FIGURES)
	$(BIN)/python -m trainer.bench.gpu --device $(DEVICE) --minutes $(HALF) --figures $(GPU_FIGURES)
	@echo
	@$(BIN)/python -m manifests.bench.rates $(GPU_FIGURES) --price $(PRICE)

clean: ## Remove caches and the virtual environments; data and manifests stay
	rm -rf $(VENV) $(ORACLES) $(FUZZ) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
