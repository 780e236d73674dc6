"""Upscaling and scoring of runs: apart, together, gone on with, and verified."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from random_weights import write_alexnet
from synthetic import BENCHMARKS, PASSPORT, photograph, toy_config, write_benchmarks
from test_pipeline import snakemake
from torch import nn

from spsr.config import Config
from spsr.data import weights
from spsr.errors import InputError
from spsr.evaluation import score
from spsr.evaluation.evaluate import evaluate
from spsr.evaluation.measurement import measurement_file, read_measurement
from spsr.files import write_text
from spsr.images import write_png
from spsr.models import build, to_checkpoint
from spsr.pipeline import Pipeline
from spsr.reporting.figures.captions import CAPTIONS

NOW = 1_700_000_000
CODE = "def brightness(sr, hr):\n    return float(sr.mean() - hr.mean())\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Five prepared benchmarks, and a trained network of two methods."""
    monkeypatch.chdir(tmp_path)
    write_alexnet(weights.stored("alexnet"))
    config = toy_config(tmp_path)
    write_benchmarks(config, images=2)
    for name in ("esrgan", "rrdb"):
        config.layout.model(name, 0).parent.mkdir(parents=True)
        to_checkpoint(build("rrdb", features=4, blocks=1, growth=4), config.layout.model(name, 0))
    return config


def contents(config: Config, name: str) -> dict[str, bytes]:
    return {dataset: config.layout.scores(name, 0, dataset).read_bytes() for dataset in BENCHMARKS}


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is measured from now on: image and metric."""
    log: list[tuple[str, str]] = []
    measure = score.measure

    def noting(tasks, *arguments, **options):
        log.extend((str(task.pair.sr), metric) for task in tasks for metric in task.metrics)
        return measure(tasks, *arguments, **options)

    monkeypatch.setattr("spsr.evaluation.score_runs.measure", noting)
    return log


def test_both_parts_one_after_the_other_are_the_whole(config: Config):
    evaluate(config, ["bicubic", "rrdb"], 0)
    whole = contents(config, "bicubic"), contents(config, "rrdb")
    for name in ("bicubic", "rrdb"):
        for dataset in BENCHMARKS:
            config.layout.scores(name, 0, dataset).unlink()
            measurement_file(config.layout.scores(name, 0, dataset)).unlink()
    made = evaluate(config, ["bicubic"], 0, "upscale")
    assert made == [config.layout.upscaled("bicubic", 0, dataset) for dataset in config.preset.data.benchmarks]
    assert not config.layout.scores("bicubic", 0, "Set5").exists()
    for name in ("bicubic", "rrdb"):
        evaluate(config, [name], 0, "score")
    assert (contents(config, "bicubic"), contents(config, "rrdb")) == whole


def test_lpips_looks_at_an_original_once_for_all_methods(config: Config, monkeypatch: pytest.MonkeyPatch):
    from spsr.metrics.lpips import Lpips

    seen: list[object] = []
    features = Lpips.features
    monkeypatch.setattr(Lpips, "features", lambda self, image: seen.append(0) or features(self, image))
    evaluate(config, ["bicubic", "esrgan", "rrdb"], 0)
    originals = 2 * len(BENCHMARKS)
    assert len(seen) == originals * (1 + 3)


def test_the_record_says_which_images_were_scored(config: Config):
    evaluate(config, ["rrdb"], 0)
    measurement = read_measurement(config.layout.scores("rrdb", 0, "Set5"))
    made = json.loads(config.layout.upscaled("rrdb", 0, "Set5").read_text())
    assert measurement is not None
    assert {f"{name}.png": digest for name, digest in measurement.results.items()} == made["images"]
    assert measurement.weights == made["weights"]


@pytest.mark.parametrize("harm", ["other", "missing", "no record", "other benchmark"])
def test_images_that_were_not_made_here_are_not_scored(config: Config, harm: str):
    evaluate(config, ["bicubic"], 0, "upscale")
    record = config.layout.upscaled("bicubic", 0, "Set5")
    image = record.with_name("im_001.png")
    if harm == "other":
        write_png(image, photograph(9))
    elif harm == "missing":
        image.unlink()
    elif harm == "no record":
        record.unlink()
    else:
        config.layout.passport("Set5").write_text(PASSPORT.replace("}", ', "files": {}}'))
        record.write_text(record.read_text().replace('"benchmark": {}', '"benchmark": {"HR/a.png": "0"}'))
    with pytest.raises(InputError, match=r"Set5.*; run `spsr evaluate bicubic .*--seed 0`"):
        evaluate(config, ["bicubic"], 0, "score")


def test_a_method_that_fails_keeps_no_other_from_its_scores(config: Config, measured: list[tuple[str, str]]):
    config.layout.model("esrgan", 0).write_bytes(b"no weights")
    with pytest.raises(InputError, match="esrgan"):
        evaluate(config, ["esrgan", "rrdb", "bicubic"], 0)
    assert contents(config, "rrdb")
    assert contents(config, "bicubic")
    assert not config.layout.scores("esrgan", 0, "Set5").exists()


def test_a_metric_that_scores_lack_is_measured_alone(config: Config, measured: list[tuple[str, str]]):
    evaluate(config, ["bicubic", "rrdb"], 0)
    before = contents(config, "rrdb")
    Path("own").mkdir()
    Path("own/metrics.py").write_text(CODE)
    more = toy_config(Path(), metrics=["own/metrics.py:brightness"])
    del measured[:]
    evaluate(more, ["rrdb"], 0, "score")
    assert {metric for _, metric in measured} == {"own/metrics.py:brightness"}
    for dataset, content in contents(more, "rrdb").items():
        assert [line.rpartition(b",")[0] for line in content.splitlines()] == before[dataset].splitlines()
    del measured[:]
    Path("own/metrics.py").write_text(CODE.replace("-", "+"))
    evaluate(more, ["rrdb"], 0, "score")
    assert {metric for _, metric in measured} == {"own/metrics.py:brightness"}


def test_only_an_image_that_has_changed_is_scored_again(config: Config, measured: list[tuple[str, str]]):
    evaluate(config, ["rrdb"], 0)
    before = contents(config, "rrdb")
    del measured[:]
    for file in config.layout.scores("rrdb", 0, "Set5").parent.glob("*.csv"):
        file.unlink()
    config.layout.lpips_maps("rrdb", 0, "Set14").joinpath("im_001.png").unlink()
    evaluate(config, ["rrdb"], 0, "score")
    assert [metric for _, metric in measured] == ["lpips"]
    assert contents(config, "rrdb") == before
    del measured[:]
    network = build("rrdb", features=4, blocks=1, growth=4)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    to_checkpoint(network, config.layout.model("rrdb", 0))
    evaluate(config, ["rrdb"], 0)
    assert len(measured) == 4 * 2 * len(BENCHMARKS)


def test_numbers_of_a_damaged_record_are_not_taken(config: Config, measured: list[tuple[str, str]]):
    evaluate(config, ["rrdb"], 0)
    before = contents(config, "rrdb")
    record = measurement_file(config.layout.scores("rrdb", 0, "Set5"))
    value = read_measurement(config.layout.scores("rrdb", 0, "Set5")).values["im_000"]["psnr"]
    record.write_text(record.read_text().replace(value, value[:-1] + str((int(value[-1]) + 1) % 10)))
    evaluate(config, ["rrdb"], 0, "score")
    assert contents(config, "rrdb") == before
    assert read_measurement(config.layout.scores("rrdb", 0, "Set5")) is not None


def test_a_table_waits_for_no_method_that_it_does_not_show(toy: Config):
    for scoring in (each for each in Pipeline(toy).evaluations if each.label):
        shown = [{table for table in toy.preset.tables if n in toy.table(table).methods} for n in scoring.names]
        assert all(tables == shown[0] for tables in shown), scoring.label


def test_foreign_images_are_scored_where_they_lie_and_nothing_is_made_for_them(config: Config):
    for dataset in BENCHMARKS:
        for number in range(2):
            hr = photograph([*config.preset.data.benchmarks].index(dataset) + number)
            write_png(Path("theirs") / dataset / f"im_00{number}.png", hr - np.minimum(hr, 3))
    foreign = {"theirs": {"name": "Theirs", "from_images": "theirs", "tables": ["table1"]}}
    for together in (False, True):
        theirs = toy_config(Path(), results=foreign, evaluate_together=together)
        (scoring,) = (each for each in Pipeline(theirs).evaluations if "theirs" in each.names)
        assert scoring.only != "upscale"
        assert Path("theirs/Set5/im_000.png") in scoring.inputs(SimpleNamespace(name="", seed="0"))
        assert not any("images/theirs" in str(file) for file in scoring.outputs)
    evaluate(theirs, ["theirs"], 0)
    assert not theirs.layout.images("theirs", 0, "Set5").exists()
    assert read_measurement(theirs.layout.scores("theirs", 0, "Set5")).results.keys() == {"im_000", "im_001"}


@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
def test_scores_and_images_that_were_deleted_are_made_again_by_the_workflow(config: Config, together: bool):
    bicubic = toy_config(Path(), only=[], figures=[], tables=["table1"], probe=None, evaluate_together=together)
    pipeline, layout = Pipeline(bicubic), bicubic.layout
    figures = [layout.figures / f"{name}.png" for name in CAPTIONS]
    last = [*pipeline.tables, *figures, layout.report, layout.root / "mlflow" / "imported"]
    for moment, file in enumerate([*pipeline.all_images, *pipeline.all_scores, *last]):
        write_text(file, "made before")
        os.utime(file, (NOW + moment, NOW + moment))
    for file in (weights.stored("alexnet"), *map(layout.passport, BENCHMARKS)):
        os.utime(file, (NOW, NOW))
    shown = snakemake("-n", f"--configfile={bicubic.path}", cwd=Path())
    assert "Nothing to be done" in shown.stderr, shown.stderr
    for folder, rule in (
        (layout.scores("bicubic", 0, "Set5").parent, "evaluate" if together else "score"),
        (layout.images("bicubic", 0, "Set5"), "evaluate" if together else "upscale"),
    ):
        shutil.rmtree(folder)
        shown = snakemake("-n", f"--configfile={bicubic.path}", cwd=Path())
        assert f" {rule} " in shown.stderr, shown.stderr
