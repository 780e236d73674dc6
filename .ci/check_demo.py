"""What `make demo` must leave behind; run by `.ci/run` after it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spsr.config import load
from spsr.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = Pipeline(load(ROOT / "configs" / "quick.yaml"))


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("table", PIPELINE.config.preset.tables)
def test_every_cell_of_a_method_that_ran_is_a_finite_number(table: str):
    frame = pd.read_csv(PIPELINE.config.layout.table(table, "csv"))
    declared = PIPELINE.config.table(table)
    assert len(frame) == len(declared.methods) * len(declared.datasets) * len(declared.metrics)
    empty = set(frame.loc[~np.isfinite(frame["value"]), "method"])
    assert empty == set(declared.methods) - set(PIPELINE.methods)
    assert empty <= {"sftgan", "natsr"}


@pytest.mark.parametrize("suffix", ["md", "html", "tex"])
def test_every_reduced_number_is_marked(suffix: str):
    text = PIPELINE.config.layout.table("table1", suffix).read_text(encoding="utf-8")
    assert PIPELINE.config.preset.mark.split(":")[0] in text


def test_a_second_run_finds_nothing_to_do():
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert re.search("Nothing to be done", again.stdout + again.stderr)


def test_mlflow_holds_every_run_with_its_curve_and_scores():
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{PIPELINE.config.layout.tracking.absolute() / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("spsr-quick")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id], max_results=1000)}
    assert {f"{name}-seed0" for name in PIPELINE.methods} <= set(runs)
    for name in PIPELINE.trained:
        run = runs[f"{name}-seed0"]
        assert np.isfinite(run.data.metrics["Set5/lpips"])
        assert any(len(client.get_metric_history(run.info.run_id, key)) > 1 for key in run.data.metrics)


def test_the_report_of_snakemake_itself_holds_tables_figures_and_captions(tmp_path: Path):
    page = tmp_path / "snakemake.html"
    command = [sys.executable, "-m", "snakemake", "--report", str(page)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    text = page.read_text(encoding="utf-8")
    for table in PIPELINE.config.preset.tables:
        title = json.dumps(PIPELINE.config.table(table).title)[1:-1]
        assert f"<strong>{table}: {title}</strong>" in text
    for category in ("Tables", "Figures", "Report"):
        assert f'"{category}"' in text
