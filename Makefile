# make demo    set up .venv and run the whole pipeline on the quick preset
# make test    set up .venv and run the tests
# make lint    formatting, static checks, types, import directions, the workflow

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(foreach v,3.13 3.12 3.11,$(shell python$(v) -c 'import venv, ensurepip, sys; print(sys.executable)' 2>/dev/null)))
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)

export MPLBACKEND := Agg
export SNAKEMAKE_OUTPUT_CACHE :=

.PHONY: setup demo test lint format clean

setup: $(VENV)/installed

$(VENV)/installed: pyproject.toml envs/constraints.txt
	@test -n "$(PYTHON)" || { echo "error: needs Python 3.11, 3.12 or 3.13 with venv on the PATH"; exit 2; }
	@echo "Installing into $(VENV) with $(PYTHON) (some minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt torch torchvision
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	@$(BIN)/snakemake --cores $(CORES)
	@$(BIN)/spsr table table1 --show
	@$(BIN)/spsr status

test: setup
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(CORES) --dist loadgroup

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config pyproject.toml
	@$(BIN)/snakefmt --check Snakefile workflow
	@$(BIN)/snakemake --lint

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/snakefmt Snakefile workflow

clean:
	rm -rf $(VENV) results/*/ .snakemake
