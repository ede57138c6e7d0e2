# Everything a fresh machine needs: each target makes its own .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
AGAINST ?= HEAD
# Threads that wait give their core away: with other work beside, spinning ones make small nets 10 to 25 times slower.
export OMP_WAIT_POLICY ?= PASSIVE
# Tests run side by side, one process for each core; their nets are too small to share out further.
ONE_THREAD := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1
# Numbers are to be right on every processor: what computes them is tested with the instructions of older ones too. Each
# setting has its own compiled loops: numba keys its cache by the name and the features of the processor.
NUMERICAL := tests/laws tests/nets tests/bijections tests/heads tests/ode tests/models tests/inference \
	tests/training/test_streams.py tests/training/test_precision.py tests/test_storage.py tests/test_examples.py
SSE := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 NUMBA_CPU_NAME=generic
AVX2 := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2

.PHONY: demo test slow processors lint format fuzz faults bench bench-quick mutations results clean

demo: $(VENV)/.installed            ## fit every model to the embedded digits, print the leaderboard, write demo/report.html
	$(BIN)/loglik compare digits --budget 120s -o $(OUT) --overwrite

test: $(VENV)/.installed            ## the whole suite but the slow marks
	$(ONE_THREAD) $(BIN)/python -m pytest -n auto -m "not slow"

slow: $(VENV)/.installed            ## the whole suite
	$(ONE_THREAD) $(BIN)/python -m pytest -n auto

processors: $(VENV)/.installed      ## the numerical part as older processors compute it, and with several threads
	$(ONE_THREAD) $(SSE) $(BIN)/python -m pytest -n auto -m "not slow" $(NUMERICAL)
	$(ONE_THREAD) $(AVX2) $(BIN)/python -m pytest -n auto -m "not slow" $(NUMERICAL)
	OMP_NUM_THREADS=2 NUMBA_NUM_THREADS=2 $(BIN)/python -m pytest -n auto -m "not slow" $(NUMERICAL)

lint: $(VENV)/.installed            ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: $(VENV)/.installed            ## 5000 inputs that a person, a program or an enemy might hand over: succeed, or one line that says why not
	$(ONE_THREAD) $(BIN)/python -m tests.fuzz

faults: $(VENV)/.installed          ## every command killed and out of disk at many moments: nothing is lost
	$(ONE_THREAD) $(BIN)/python -m tests.faults

bench: $(VENV)/.installed           ## side by side with the peers; `pip install -e .[peers]` adds them
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.installed     ## every model against another commit, in minutes: make bench-quick AGAINST=COMMIT
	$(BIN)/python -m benchmarks.quick --against $(AGAINST)

mutations: $(VENV)/.installed       ## make mistakes in copies of the source, see who notices, write docs/mutations.md
	$(BIN)/python -m tests.mutations

results: $(VENV)/.installed         ## write RESULTS.md and docs/results from the recorded runs
	$(BIN)/python -m recipes table

clean:
	rm -rf $(VENV) demo .bench .mypy_cache .ruff_cache .pytest_cache

# torch first and by its exact version: a looser requirement would draw in the gigabytes of its CUDA build.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test,lint]"
	touch $@
