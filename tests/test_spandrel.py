"""A network of another project's architecture is a row like any other, and only where it enlarges by four."""

from pathlib import Path

import numpy as np
import pytest
import torch
from random_weights import write_alexnet
from synthetic import photograph, toy_config

from spsr import models
from spsr.data import registry, weights
from spsr.data.benchmark import prepare_benchmark
from spsr.data.hashing import file_hash
from spsr.data.image_sets import resolve
from spsr.errors import InputError
from spsr.evaluation.evaluate import evaluate
from spsr.evaluation.upscale import upscale_image
from spsr.images import degrade
from spsr.metrics.torchvision_ops import import_torchvision
from spsr.models import spandrel_network
from spsr.models.export import Target, export
from spsr.reporting.tables.filled import fill

pytest.importorskip("einops")


@pytest.fixture(autouse=True)
def spandrel() -> None:
    import_torchvision()
    pytest.importorskip("spandrel")


def compact(path: Path, scale: int = 4) -> torch.nn.Module:
    """A small network of Real-ESRGAN's second generator, which this project does not have."""
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    network = Compact(num_feat=4, num_conv=1, upscale=scale)
    torch.save({"params": network.state_dict()}, path)
    return network.eval()


def test_an_architecture_that_only_spandrel_has_enlarges_images(tmp_path: Path) -> None:
    theirs = compact(tmp_path / "compact.pth")
    ours = models.from_checkpoint(tmp_path / "compact.pth", scale=4)
    lr = torch.rand(1, 3, 11, 9)
    with torch.inference_mode():
        torch.testing.assert_close(ours(lr), theirs(lr).clamp(0, 1), rtol=0, atol=0)
    assert "Compact" in models.describe(tmp_path / "compact.pth")
    assert not ours.training
    image = degrade(photograph(0, 200))
    whole, tiled = (upscale_image(ours, image, tile=tile, overlap=8) for tile in (160, 40))
    assert whole.shape == (200, 200, 3)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


@pytest.mark.parametrize("target", ["official", "spandrel", "spsr"])
def test_such_a_network_is_not_written_again(tmp_path: Path, target: Target) -> None:
    compact(tmp_path / "compact.pth")
    with pytest.raises(InputError, match="its own file is what others read"):
        export(models.from_checkpoint(tmp_path / "compact.pth"), tmp_path / "again.safetensors", target, {})


def test_another_scale_and_damage_are_one_line(tmp_path: Path) -> None:
    compact(tmp_path / "x2.pth", scale=2)
    with pytest.raises(InputError, match=r"x2\.pth: .*is for SR x2 from 3 to 3 channels; only x4"):
        models.from_checkpoint(tmp_path / "x2.pth")
    state = compact(tmp_path / "whole.pth").state_dict()
    torch.save({key: value for key, value in state.items() if key != "body.2.bias"}, tmp_path / "cut.pth")
    with pytest.raises(InputError, match=r"cut\.pth: spandrel finds a network that it cannot build"):
        models.from_checkpoint(tmp_path / "cut.pth")


def test_without_spandrel_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compact(tmp_path / "x.pth")
    monkeypatch.setitem(__import__("sys").modules, "spandrel", None)
    with pytest.raises(InputError, match=r"unknown network.*pip install 'spsr\[spandrel\]'"):
        models.from_checkpoint(tmp_path / "x.pth")
    assert spandrel_network.load_spandrel({}) is None


def test_dat_light_stands_in_table_1_beside_srgan_with_the_score_of_its_released_weights(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As good as a PSNR-oriented network of its size should be, so the weights have found their places."""
    if not weights.available("dat_light"):
        pytest.skip("needs `spsr fetch dat_light`")
    file = weights.path("dat_light").absolute()
    assert file_hash(file) == registry.weight("dat_light").sources[-1].sha256
    monkeypatch.chdir(tmp_path)
    row = {"name": "DAT-light", "from_checkpoint": str(file), "tables": ["table1"]}
    folder = str(shared_data / "benchmarks" / "Set5")
    sources = {"train": {"scikit_image": ["coins"]}, "benchmarks": {"Set5": {"folder": folder}}}
    config = toy_config(tmp_path, data=sources, results={"dat_light": row}, tables=["table1"], figures=[])
    prepare_benchmark("Set5", resolve(config.preset.data.benchmarks["Set5"]), config.layout.benchmark("Set5"))
    write_alexnet(weights.stored("alexnet"))
    evaluate(config, ["dat_light"], 0)
    table = fill(config, "table1")
    assert table.cells["dat_light", "Set5", "psnr"].value == pytest.approx(32.57, abs=0.05)
    assert table.cells["srgan", "Set5", "psnr"].paper is not None
    assert "DAT-light" in table.titles["dat_light"]
