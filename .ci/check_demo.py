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
from spsr.data.hashing import file_hash
from spsr.evaluation.measurement import read_measurement
from spsr.images import image_index, read_rgb
from spsr.metrics import METRICS
from spsr.pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = Pipeline(load(ROOT / "configs" / "quick.yaml"))
CONFIG = PIPELINE.config
PSNR_NETWORKS = ("rrdb", "edsr", "srresnet")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("table", CONFIG.preset.tables)
def test_every_cell_of_a_method_that_ran_is_a_finite_number(table: str):
    frame = pd.read_csv(CONFIG.layout.table(table, "csv"))
    declared = CONFIG.table(table)
    assert len(frame) == len(declared.methods) * len(declared.datasets) * len(declared.metrics)
    empty = set(frame.loc[~np.isfinite(frame["value"]), "method"])
    assert empty == set(declared.methods) - set(PIPELINE.methods)
    assert empty <= {"sftgan", "natsr"}


@pytest.mark.parametrize("suffix", ["md", "html", "tex"])
def test_every_reduced_number_is_marked(suffix: str):
    text = CONFIG.layout.table("table1", suffix).read_text(encoding="utf-8")
    assert CONFIG.preset.mark.split(":")[0] in text


def means(method: str, dataset: str) -> dict[str, float]:
    """Means over the images of a benchmark, by metric."""
    frame = pd.read_csv(CONFIG.layout.scores(method, 0, dataset))
    return {str(name): float(value) for name, value in frame.mean(numeric_only=True).items()}


def printed(method: str, dataset: str) -> dict[str, str]:
    """The same with the digits of the tables."""
    return {name: METRICS[name].shown(value) for name, value in means(method, dataset).items()}


@pytest.mark.parametrize("network", PSNR_NETWORKS)
def test_a_psnr_network_is_above_bicubic_interpolation_on_four_of_five_benchmarks(network: str):
    better = [means(network, name)["psnr"] > means("bicubic", name)["psnr"] for name in PIPELINE.benchmarks]
    assert sum(better) >= 4


@pytest.mark.parametrize("method", PIPELINE.trained)
def test_a_trained_method_is_within_3_db_of_bicubic_interpolation(method: str):
    for dataset in PIPELINE.benchmarks:
        assert means(method, dataset)["psnr"] > means("bicubic", dataset)["psnr"] - 3, dataset


@pytest.mark.parametrize("method", PIPELINE.methods)
def test_no_image_is_black_grey_or_exploded(method: str):
    for dataset in PIPELINE.benchmarks:
        files = sorted(CONFIG.images(method, 0, dataset).glob("*.png"))
        assert files, dataset
        for file in files:
            sr, hr = (
                read_rgb(path).astype(float) for path in (file, CONFIG.layout.benchmark(dataset) / "HR" / file.name)
            )
            assert abs(sr.mean() - hr.mean()) < 20, file
            assert 0.7 < sr.std() / hr.std() < 1.3, file


@pytest.mark.parametrize("table", CONFIG.preset.tables)
def test_an_ablation_differs_from_its_parent_and_a_gan_from_its_psnr_network(table: str):
    declared = CONFIG.table(table)
    for name in set(declared.methods) & set(PIPELINE.trained):
        method = CONFIG.method(name)
        for other in {method.extends, method.init_from} & set(PIPELINE.methods):
            alike = [d for d in declared.datasets if printed(name, d) == printed(other, d)]
            assert alike == [], f"{name} and {other}"


@pytest.mark.parametrize("task", ["contrastive", "jigsaw"])
def test_extractors_differ_in_accuracy(task: str):
    probes = pd.concat(pd.read_csv(CONFIG.layout.probe(name)) for name in PIPELINE.extractors)
    means = probes[probes["task"] == task].groupby(["dataset", "extractor"])["accuracy"].mean().unstack()
    assert means.stack().nunique() > 1, means


def test_a_second_run_finds_nothing_to_do():
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert re.search("Nothing to be done", again.stdout + again.stderr)


def test_mlflow_holds_every_run_with_its_curve_and_scores():
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{CONFIG.layout.tracking.absolute() / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("spsr-quick")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id], max_results=1000)}
    assert {f"{name}-seed0" for name in PIPELINE.methods} <= set(runs)
    for name in PIPELINE.trained:
        run = runs[f"{name}-seed0"]
        assert np.isfinite(run.data.metrics["Set5/lpips"])
        assert any(len(client.get_metric_history(run.info.run_id, key)) > 1 for key in run.data.metrics)


def test_the_images_of_every_run_are_those_that_were_scored():
    for method in PIPELINE.methods:
        for dataset in PIPELINE.benchmarks:
            measurement = read_measurement(CONFIG.layout.scores(method, 0, dataset))
            assert measurement is not None
            images = image_index(CONFIG.images(method, 0, dataset))
            assert {name: file_hash(file) for name, file in images.items()} == measurement.results


def test_the_report_of_snakemake_itself_holds_tables_figures_and_captions(tmp_path: Path):
    page = tmp_path / "snakemake.html"
    command = [sys.executable, "-m", "snakemake", "--report", str(page)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    text = page.read_text(encoding="utf-8")
    for table in CONFIG.preset.tables:
        title = json.dumps(CONFIG.table(table).title)[1:-1]
        assert f"<strong>{table}: {title}</strong>" in text
    for category in ("Tables", "Figures", "Report"):
        assert f'"{category}"' in text
