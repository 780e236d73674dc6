"""Metrics beside the paper's: DISTS, and a function of one's own, from scoring to tables and the report."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from random_weights import write_alexnet
from safetensors.torch import save_file
from synthetic import BENCHMARKS, photograph, toy_config, write_benchmarks, write_scores
from typer.testing import CliRunner

from spsr.cli import app
from spsr.config import CONFIGS, Config
from spsr.data import weights
from spsr.errors import InputError
from spsr.evaluation.evaluate import evaluate
from spsr.evaluation.score_files import COLUMNS, read_csv
from spsr.images import write_png
from spsr.metrics.dists import WIDTHS, Dists
from spsr.metrics.measured import metric_of
from spsr.pipeline import Pipeline
from spsr.plugins import OwnCodeFailed
from spsr.reporting.report.page import make_report
from spsr.reporting.tables.filled import fill
from spsr.reporting.tables.formats import make_table
from spsr.results.runs import Run

OWN = "own/metrics.py:largest_error"
CODE = '''
def largest_error(sr, hr):
    """The largest difference of two pixels.

    More about it.
    """
    return abs(sr.astype(int) - hr).max()


largest_error.lower_is_better = True
largest_error.digits = 1


def picture(sr, hr):
    return sr - hr


def undefined(sr, hr):
    return float("nan")


def faulty(sr, hr):
    return 1 / 0
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    Path("own/metrics.py").write_text(CODE, encoding="utf-8")
    return tmp_path


def with_own_metric(place: Path, **changes: object) -> Config:
    """A preset whose Table 1 has one column more, with a row of someone's images."""
    tables = yaml.safe_load((CONFIGS / "tables.yaml").read_text(encoding="utf-8"))
    tables["table1"]["metrics"] = ["lpips", "psnr", "ssim", OWN]
    Path("tables.yaml").write_text(yaml.safe_dump(tables), encoding="utf-8")
    row = {"name": "Theirs", "from_images": "their_images", "tables": ["table1"]}
    return toy_config(place, results={"theirs": row}, tables=["table1"], figures=[], **changes)


def test_a_metric_of_ones_own_reaches_scores_tables_and_report(place: Path) -> None:
    write_alexnet(weights.stored("alexnet"))
    config = with_own_metric(place)
    write_benchmarks(config)
    for number, dataset in enumerate(sorted(BENCHMARKS)):
        original = photograph(list(config.preset.data.benchmarks).index(dataset))
        write_png(Path("their_images") / dataset / "im_000.png", original - np.minimum(original, number + 1))
    evaluate(config, ["theirs"], 0)
    frame = read_csv(config.layout.scores("theirs", 0, "Set5"))
    assert tuple(frame.columns) == (*COLUMNS, OWN)
    expected = 1 + sorted(BENCHMARKS).index("Set5")
    assert list(frame[OWN]) == [expected]
    cell = fill(config, "table1").cells["theirs", "Set5", OWN]
    assert (cell.value, cell.paper, cell.metric.shown(cell.value)) == (expected, None, f"{expected}.0")
    assert Run(config, "theirs", 0).means[f"Set5/{OWN}"] == expected
    make_table(config, "table1")
    assert "The largest difference of two pixels." in config.layout.table("table1", "md").read_text(encoding="utf-8")
    assert f"{expected}.0" in config.layout.table("table1", "html").read_text(encoding="utf-8")
    make_report(config)
    assert "largest_error" in config.layout.report.read_text(encoding="utf-8")


def test_scores_without_a_new_metric_stay_and_their_cells_say_so(place: Path) -> None:
    config = with_own_metric(place)
    write_scores(config, methods=("bicubic",))
    cells = fill(config, "table1").cells
    assert cells["bicubic", "Set5", "psnr"].value is not None
    assert cells["bicubic", "Set5", OWN].absent == "largest_error was not measured"


def test_the_graph_fetches_what_metrics_read_and_scores_again_when_they_change(place: Path) -> None:
    plain, more = Pipeline(toy_config(place)), Pipeline(with_own_metric(place, metrics=["dists"]))
    assert "dists" not in plain.weights
    assert {"dists", "vgg16", "alexnet"} <= set(more.weights)
    for scoring in more.evaluations:
        assert scoring.metrics not in {before.metrics for before in plain.evaluations}
        inputs = scoring.inputs(SimpleNamespace(name="", seed="0"))
        assert Path("own/metrics.py") in inputs
        assert weights.stored("vgg16") in inputs


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("own/metrics.py:picture", "returned ndarray of shape (96, 96, 3); return one number"),
        ("own/metrics.py:undefined", "returned nan, which would count as not measured"),
        ("own/metrics.py:faulty", "in faulty: ZeroDivisionError"),
        ("own/metrics.py:nothing", "has no 'nothing'"),
        ("own/other.py:nothing", "no file own/other.py"),
        ("dist", "no metric 'dist'; did you mean 'dists'?"),
    ],
)
def test_a_metric_that_cannot_be_measured_is_one_line(place: Path, metric: str, words: str) -> None:
    for folder in ("sr", "hr"):
        write_png(Path(folder) / "a.png", photograph(0))
    result = CliRunner().invoke(app, ["score", "sr", "hr", "--lpips", "none", "--metric", metric])
    assert isinstance(result.exception, InputError | OwnCodeFailed)
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)


def test_an_unknown_metric_of_a_preset_is_named_with_its_place(place: Path) -> None:
    with pytest.raises(InputError, match=r"toy\.yaml: metrics: no metric 'ssimm'; did you mean 'ssim'"):
        _ = Pipeline(toy_config(place, metrics=["ssimm"])).weights


def test_dists_is_zero_for_equal_images_only(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = ((0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256), (14, 256, 256))
    sizes += ((17, 256, 512), *((n, 512, 512) for n in (19, 21, 24, 26, 28)))
    state = {f"features.{n}.weight": torch.randn(out, before, 3, 3) / (3 * before**0.5) for n, before, out in sizes}
    save_file(state | {f"features.{n}.bias": torch.zeros(out) for n, _, out in sizes}, tmp_path / "vgg.safetensors")
    torch.save({name: torch.full((1, sum(WIDTHS), 1, 1), 0.1) for name in ("alpha", "beta")}, tmp_path / "heads.pt")
    dists = Dists(tmp_path / "vgg.safetensors", tmp_path / "heads.pt")
    first, second = photograph(0, 32), photograph(1, 32)
    assert dists(first, first) == pytest.approx(0, abs=1e-5)
    assert 0.05 < dists(first, second) == pytest.approx(dists(second, first), abs=1e-6)
    torch.save({"alpha": torch.zeros(1, 3)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: holds no `alpha` and `beta`"):
        Dists(tmp_path / "vgg.safetensors", tmp_path / "other.pt")


def test_dists_has_the_five_published_values() -> None:
    """Those in the documentation of torchmetrics, of random images after seed 42."""
    if not (weights.available("dists") and weights.available("vgg16")):
        pytest.skip("needs `spsr fetch dists vgg16`")
    metric = metric_of("dists")
    dists = Dists(*map(weights.path, metric.weights))
    torch.manual_seed(42)
    first, second = torch.rand(5, 3, 256, 256), torch.rand(5, 3, 256, 256)
    published = torch.tensor([0.1285, 0.1344, 0.1356, 0.1277, 0.1276])
    torch.testing.assert_close(dists.distance(first, second), published, atol=6e-5, rtol=0)
