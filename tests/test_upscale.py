"""Super-resolving files: exact seams, every kind of image, names kept, LR made as the protocol says."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from spsr import models
from spsr.errors import InputError
from spsr.evaluation.split import split_at_upsampling
from spsr.evaluation.upscale import BLOCK, TILE, Upscaler, tile_for, upscale_image
from spsr.evaluation.upscale_files import collect_inputs, upscale_files
from spsr.images import RGB, bicubic, degrade, read_rgb, write_png
from spsr.resize import imresize, to_uint8


class SmallNetwork(nn.Module):
    """Three 3×3 convolutions and a pixel shuffle ×4; like SPSR's, it returns the SR image first of two."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = nn.Sequential(
                nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.Dropout(0.5)
            )
            self.tail = nn.Sequential(nn.Conv2d(16, 48, 3, padding=1), nn.PixelShuffle(4))
        self.largest = 0

    def forward(self, lr: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert lr.dtype == torch.float32
        assert 0 <= lr.min() <= lr.max() <= 1
        self.largest = max(self.largest, *lr.shape[2:])
        sr = self.tail(self.body(lr)) * 8 + 0.3
        return sr, torch.zeros_like(sr)


@pytest.fixture
def network() -> SmallNetwork:
    return SmallNetwork().train()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(3, 6), st.integers(5, 20))
def test_tiled_network_output_is_that_of_the_whole_image(height: int, width: int, overlap: int, core: int) -> None:
    network, image, tile = SmallNetwork(), noise(height, width), 2 * overlap + core
    whole = upscale_image(network, image, tile=1000)
    network.largest = 0
    tiled = upscale_image(network, image, tile=tile, overlap=overlap)
    assert tiled.shape == whole.shape == (4 * height, 4 * width, 3)
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert network.largest <= tile or height * width <= tile * tile


class FarSeeingNetwork(nn.Module):
    """Its LR part sees 40 pixels far with full weight; its HR part is like ESRGAN's."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.head = nn.Conv2d(3, 8, 3, padding=1)
            self.far = nn.ModuleList(nn.Conv2d(8, 8, 5, padding=8, dilation=4) for _ in range(5))
            self.up = nn.Conv2d(8, 8, 3, padding=1)
            self.last = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, lr: torch.Tensor, gain: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.head(lr)
        for layer in self.far:
            x = x + gain * nn.functional.leaky_relu(layer(x), 0.2)
        for _ in range(2):
            x = nn.functional.leaky_relu(self.up(nn.functional.interpolate(x, scale_factor=2)), 0.2)
        return self.last(x), x


def test_a_network_that_sees_farther_than_any_overlap_is_still_exact_in_tiles() -> None:
    network, image = FarSeeingNetwork(), noise(61, 90)
    whole = upscale_image(network, image, tile=1000)
    tiled = upscale_image(network, image, tile=24, overlap=2)
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert whole.std() > 5
    split = split_at_upsampling(network.eval())
    assert split is not None
    assert split.context == 5


@pytest.mark.parametrize("name", sorted(models.GENERATORS))
def test_every_generator_splits_at_its_upsampling(name: str) -> None:
    sizes = {"rrdb": {"blocks": 1}, "spsr": {"blocks": 4}, "edsr": {"blocks": 1}, "srresnet": {"blocks": 1}}
    sizes["rcan"] = {"groups": 1, "blocks": 1, "reduction": 4}
    sizes["sftgan"] = {"blocks": 1, "maps": "colour"}
    network = models.build(name, features=8, **sizes.get(name, {})).eval()
    split = split_at_upsampling(network)
    assert split is not None
    lr = torch.rand(1, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        output = network(lr)
        features = split.extract(lr)
        assert (9, 11) in {feature.shape[2:] for feature in features}
        expected = output[0] if isinstance(output, tuple) else output
        torch.testing.assert_close(split.reconstruct(*features), expected)
    image = noise(40, 37)
    whole = upscale_image(network, image, tile=100).astype(int)
    assert np.abs(upscale_image(network, image, tile=28, overlap=1) - whole).max() <= 1


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4), nn.AdaptiveAvgPool2d(8)),
        nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4), nn.Conv2d(3, 3, 3, stride=2)),
        nn.Sequential(nn.ConvTranspose2d(3, 3, 4, stride=4)),
        SmallNetwork(),
    ],
)
def test_a_network_whose_reach_is_not_known_is_not_split(network: nn.Module) -> None:
    assert split_at_upsampling(network.eval()) is None


def test_too_small_an_overlap_would_show(network: SmallNetwork) -> None:
    image = noise(40, 40)
    whole = upscale_image(network, image)
    assert np.abs(upscale_image(network, image, tile=9, overlap=1).astype(int) - whole).max() > 1


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(9, 30))
def test_tiled_bicubic_is_bit_for_bit_the_whole(height: int, width: int, tile: int) -> None:
    image = noise(height, width)
    np.testing.assert_array_equal(upscale_image("bicubic", image, tile=tile, overlap=4), to_uint8(imresize(image, 4)))


def test_the_network_is_run_in_evaluation_mode_and_given_back_as_it_was(network: SmallNetwork) -> None:
    image = noise(12, 10)
    first, second = upscale_image(network, image), upscale_image(network, image)
    np.testing.assert_array_equal(first, second)
    assert network.training
    with torch.no_grad():
        network.eval()
        tensor = torch.from_numpy(image.transpose(2, 0, 1).copy())[None] / 255
        expected = (network(tensor)[0][0].clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(first, expected)
    assert 0 < (first == 0).mean() < 1
    assert 0 < (first == 255).mean() < 1


def test_the_next_image_is_read_while_one_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcd":
        write_png(tmp_path / "in" / f"{name}.png", noise(12, 12))
    next_read = Event()

    class Waiting(SmallNetwork):
        def forward(self, lr: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            assert next_read.wait(60)
            return super().forward(lr)

    def read(path: Path) -> np.ndarray:
        if path.stem == "b":
            next_read.set()
        return read_rgb(path)

    monkeypatch.setattr("spsr.evaluation.upscale_files.read_rgb", read)
    written = upscale_files(Waiting(), [tmp_path / "in"], tmp_path / "out")
    expected = upscale_image(SmallNetwork(), noise(12, 12))
    assert [file.stem for file in written] == [*"abcd"]
    assert all((read_rgb(file) == expected).all() for file in written)


def test_an_image_that_cannot_be_read_leaves_those_before_it(tmp_path: Path) -> None:
    for name in "ab":
        write_png(tmp_path / f"{name}.png", noise(12, 12))
    (tmp_path / "c.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"c\.png: not an image"):
        upscale_files("bicubic", [tmp_path], tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"a.png", "b.png"}


@pytest.mark.parametrize(("free", "tile"), [(1 << 20, TILE), (40 << 30, 518), (139 << 30, BLOCK)])
def test_tiles_are_what_the_gpus_free_memory_holds(free: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGPU(nn.Module):
        def parameters(self, recurse: bool = True):
            return iter([SimpleNamespace(device=torch.device("cuda", 0))])

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
    assert tile_for(OnGPU()) == tile
    assert tile_for(SmallNetwork()) == tile_for("bicubic") == TILE


def test_from_hr_gives_networks_the_rounded_lr_and_bicubic_the_unrounded(network: SmallNetwork, tmp_path: Path) -> None:
    hr = noise(42, 39)
    write_png(tmp_path / "hr.png", hr)

    def upscaled(model: Upscaler) -> RGB:
        (written,) = upscale_files(model, [tmp_path / "hr.png"], tmp_path / "out", from_hr=True, replace=True)
        return read_rgb(written)

    np.testing.assert_array_equal(upscaled(network), upscale_image(network, degrade(hr)))
    np.testing.assert_array_equal(upscaled("bicubic"), bicubic(hr))
    assert (upscaled("bicubic") != upscale_image("bicubic", degrade(hr))).any()


def test_every_kind_of_image_becomes_a_png_under_its_own_name(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    picture = noise(7, 9)
    kinds = {
        "grey.png": Image.fromarray(picture[..., 0]),
        "alpha.png": Image.fromarray(np.dstack([picture, picture[..., :1]])),
        "deep.png": Image.fromarray(picture[..., 0].astype(np.uint16) * 257),
        "palette.gif.png": Image.fromarray(picture).quantize(8),
        "photo.jpg": Image.fromarray(picture),
        "old.bmp": Image.fromarray(picture),
    }
    for name, image in kinds.items():
        image.save(source / name)
    written = upscale_files("bicubic", [source], tmp_path / "out")
    assert {path.name for path in written} == {f"{Path(name).stem}.png" for name in kinds}
    for path in written:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (36, 28))
    np.testing.assert_array_equal(read_rgb(tmp_path / "out/old.png"), to_uint8(imresize(picture, 4)))
    grey = read_rgb(tmp_path / "out/grey.png")
    assert (grey == grey[..., :1]).all()


def test_of_an_archives_folder_the_right_kind_is_taken(tmp_path: Path) -> None:
    write_png(tmp_path / "set" / "a_SRF_4_HR.png", noise(16, 16))
    write_png(tmp_path / "set" / "a_SRF_4_LR.png", noise(4, 4))
    assert list(collect_inputs([tmp_path / "set"])) == ["a_SRF_4_LR"]
    written = upscale_files("bicubic", [tmp_path / "set"], tmp_path / "out", from_hr=True)
    assert [path.name for path in written] == ["a_SRF_4_HR.png"]
    np.testing.assert_array_equal(read_rgb(written[0]), bicubic(noise(16, 16)))


def test_one_stem_twice_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        write_png(tmp_path / folder / "a.png", noise(4, 4))
    with pytest.raises(InputError, match=r"y/a\.png.*x/a\.png"):
        upscale_files("bicubic", [tmp_path / "x", tmp_path / "y"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_named_twice_is_one_image(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", noise(4, 4))
    assert list(collect_inputs([tmp_path / "a.png", tmp_path])) == ["a"]


def test_a_result_never_replaces_its_input(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", noise(4, 4))
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(InputError, match="would overwrite"):
        upscale_files("bicubic", [tmp_path], tmp_path)
    assert (tmp_path / "a.png").read_bytes() == before


def test_bad_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: no such image or folder"):
        collect_inputs([tmp_path / "gone"])
    with pytest.raises(InputError, match="no image is named"):
        collect_inputs([])
    write_png(tmp_path / "in" / "tiny.png", noise(3, 3))
    with pytest.raises(InputError, match=r"tiny\.png: .*3x3"):
        upscale_files("bicubic", [tmp_path / "in"], tmp_path / "out", from_hr=True)
    with pytest.raises(InputError, match="twice the overlap"):
        upscale_image("bicubic", noise(4, 4), tile=64, overlap=32)


def test_progress_rises_to_the_number_of_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_png(tmp_path / "in" / f"{name}.png", noise(20, 20))
    calls: list[tuple[float, int, str]] = []
    upscale_files(
        "bicubic",
        [tmp_path / "in"],
        tmp_path / "out",
        tile=18,
        overlap=4,
        progress=lambda done, total, name: calls.append((done, total, name)),
    )
    fractions = [done for done, _, _ in calls]
    assert fractions == sorted(fractions)
    assert calls[0] == (0.25, 2, "a")
    assert calls[-1] == (2, 2, "b")
