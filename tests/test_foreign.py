"""Anyone's results as a row: images or a checkpoint, scored as the methods are, marked wherever they are shown."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from random_weights import write_alexnet
from synthetic import BENCHMARKS, photograph, toy_config, write_benchmarks

from spsr import cli
from spsr.config import Config
from spsr.data import weights
from spsr.evaluation.evaluate import evaluate
from spsr.evaluation.score_files import read_csv
from spsr.evaluation.upscale import upscale_image
from spsr.images import write_png
from spsr.models import build, to_checkpoint
from spsr.models.rrdb import old_sr_branch
from spsr.reporting.tables.formats import make_table

NAME = "theirs"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with five tiny prepared benchmarks, and random weights for LPIPS."""
    monkeypatch.chdir(tmp_path)
    write_alexnet(weights.stored("alexnet"))
    config = toy_config(tmp_path)
    write_benchmarks(config)
    return tmp_path


def with_foreign(place: Path, **source: str) -> Config:
    return toy_config(place, results={NAME: {"name": "Theirs", "tables": ["table1", "table2"], **source}})


def write_their_images() -> None:
    for number, dataset in enumerate(sorted(BENCHMARKS)):
        write_png(Path("their_images") / dataset / "im_000_x4.png", photograph(number))


def write_their_checkpoint(scale: int = 4) -> Path:
    """An RRDB network in the layout of the ESRGAN repository before its clean-up."""
    network = build("rrdb", features=4, growth=4, blocks=1, scale=scale)
    layers = old_sr_branch(1, {2: 1, 4: 2}[scale]) | {"to_rgb": "model.10" if scale == 4 else "model.7"}
    state = {
        f"{theirs}.{part}": network.state_dict()[f"{ours}.{part}"]
        for ours, theirs in layers.items()
        for part in ("weight", "bias")
    }
    torch.save(state, "theirs.pth")
    return Path("theirs.pth")


def run(config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code of `spsr evaluate` and what it said on the error stream."""
    monkeypatch.setattr(sys, "argv", ["spsr", "evaluate", NAME, "--configfile", str(config.path)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0), capsys.readouterr().err
    return 0, capsys.readouterr().err


def test_images_of_others_are_scored_under_the_same_protocol(place: Path):
    write_their_images()
    config = with_foreign(place, from_images="their_images")
    files = evaluate(config, [NAME], 0)
    assert set(files) == {config.layout.scores(NAME, 0, dataset) for dataset in BENCHMARKS}
    frame = read_csv(files[0])
    assert list(frame["image"]) == ["im_000"]
    assert frame["psnr"][0] == np.inf
    assert frame["ssim"][0] == pytest.approx(1)
    assert not config.layout.images(NAME, 0, "Set5").exists()


def test_a_checkpoint_of_others_makes_images_and_scores(place: Path):
    write_their_checkpoint()
    config = with_foreign(place, from_checkpoint="theirs.pth")
    files = evaluate(config, [NAME], 0)
    assert np.isfinite(read_csv(files[-1])["psnr"]).all()
    assert (config.layout.images(NAME, 0, "Set5") / "im_000.png").is_file()


def test_it_is_marked_in_every_format_of_a_table(place: Path):
    write_their_images()
    config = with_foreign(place, from_images="their_images")
    evaluate(config, [NAME], 0)
    for table in ("table1", "table2"):
        make_table(config, table)
        texts = {suffix: config.layout.table(table, suffix).read_text() for suffix in ("md", "tex", "html", "csv")}
        assert "Theirs ‡" in texts["md"]
        assert (
            "‡ foreign, not trained here but scored by the same protocol (Theirs: images in their\\_images)"
            in (texts["md"])
        )
        assert r"Theirs \textsuperscript{\textdaggerdbl}" in texts["tex"]
        assert "Theirs ‡" in texts["html"]
        assert f"{table},{NAME},Set14,psnr" in texts["csv"]


def test_a_table_without_foreign_results_has_no_such_mark(place: Path):
    config = toy_config(place)
    make_table(config, "table2")
    assert "‡" not in config.layout.table("table2", "md").read_text()


def test_it_is_a_run_in_mlflow_that_says_so(place: Path, monkeypatch: pytest.MonkeyPatch):
    from mlflow import MlflowClient

    from spsr.tracking.experiment import tracking_uri
    from spsr.tracking.track import track

    write_their_images()
    config = with_foreign(place, from_images="their_images")
    evaluate(config, [NAME], 0)
    assert track(config).new == [f"{NAME}-seed0"]
    client = MlflowClient(tracking_uri(config))
    (experiment,) = [e for e in client.search_experiments() if e.name == "spsr-toy"]
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.data.tags["source"] == "foreign"
    assert logged.data.tags["table1"] == "yes"
    assert logged.data.metrics["Set14/ssim"] == pytest.approx(1)
    artifacts = config.layout.tracking / "artifacts"
    assert [file for file in artifacts.rglob("*.png") if logged.info.run_id in file.parts]


def rename_an_image() -> None:
    write_their_images()
    (Path("their_images") / "BSD100" / "im_000_x4.png").rename("their_images/BSD100/other.png")


def replace_an_image_by_a_smaller_one() -> None:
    write_their_images()
    Image.new("RGB", (48, 48)).save("their_images/Set5/im_000_x4.png")


@pytest.mark.parametrize(
    ("prepare", "foreign", "message"),
    [
        pytest.param(
            rename_an_image,
            {"from_images": "their_images"},
            "their_images/BSD100: has no image for im_000.png",
            id="an image is missing",
        ),
        pytest.param(
            lambda: None, {"from_images": "their_images"}, "their_images/BSD100: no such folder", id="no folder"
        ),
        pytest.param(
            replace_an_image_by_a_smaller_one,
            {"from_images": "their_images"},
            "their_images/Set5/im_000_x4.png: 48x48 pixels",
            id="another size",
        ),
        pytest.param(
            lambda: write_their_checkpoint(scale=2),
            {"from_checkpoint": "theirs.pth"},
            "theirs.pth: the network has scale 2, but 4 is needed",
            id="another scale",
        ),
        pytest.param(
            lambda: to_checkpoint(build("nse"), "theirs.safetensors"),
            {"from_checkpoint": "theirs.safetensors"},
            "theirs.safetensors: holds the network 'nse', which makes no images",
            id="no generator",
        ),
        pytest.param(lambda: None, {"from_checkpoint": "nothing.pth"}, "nothing.pth", id="no checkpoint"),
    ],
)
def test_results_that_cannot_be_used_are_one_line_and_code_2(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    prepare: Callable[[], object],
    foreign: dict[str, str],
    message: str,
) -> None:
    prepare()
    code, said = run(with_foreign(place, **foreign), monkeypatch, capsys)
    assert code == 2
    assert message in said
    assert said.count("\n") == 1


def test_methods_are_given_the_lr_images_that_a_benchmark_brings(place: Path):
    benchmarks = {"Set5": {"folder": "theirs_hr", "lr": "theirs_lr"}}
    config = toy_config(place, data={"train": {"folder": "x"}, "benchmarks": benchmarks})
    lr = 255 - np.asarray(Image.open(config.layout.benchmark("Set5") / "LR" / "im_000.png"))
    write_png(config.layout.benchmark("Set5") / "LR" / "im_000.png", lr)
    evaluate(config, ["bicubic"], 0)
    made = np.asarray(Image.open(config.images("bicubic", 0, "Set5") / "im_000.png"))
    np.testing.assert_array_equal(made, upscale_image("bicubic", lr))
