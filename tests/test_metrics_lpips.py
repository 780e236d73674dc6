"""LPIPS through the `lpips` package: the printed Bicubic column, and its behaviour with any backbone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from random_weights import ALEXNET_SHAPES, write_alexnet
from safetensors.torch import load_file

from spsr.data import weights
from spsr.errors import InputError
from spsr.evaluation.pairs import match_folders
from spsr.evaluation.score import Meters, Task, measure, score_pairs
from spsr.images import bicubic, image_index, read_rgb, select_role, write_png
from spsr.metrics.lpips import Lpips


@pytest.fixture(scope="module")
def random_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for everything but the published numbers."""
    return write_alexnet(tmp_path_factory.mktemp("weights") / "alexnet.safetensors")


@pytest.fixture(scope="module")
def distance(random_backbone: Path) -> Lpips:
    return Lpips("alex", random_backbone)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    first, second = np.random.default_rng(0).integers(0, 256, (2, 40, 52, 3), np.uint8)
    return first, second


@pytest.mark.parametrize(("dataset", "printed"), [("Set5", ".3407"), ("Set14", ".4393"), ("BSD100", ".5249")])
def test_bicubic_column_of_table_1(shared_data: Path, dataset: str, printed: str) -> None:
    if not weights.available("alexnet"):
        pytest.skip("needs the AlexNet weights; run `spsr fetch alexnet`")
    distance = Lpips("alex", weights.path("alexnet"))
    files = select_role(image_index(shared_data / "benchmarks" / dataset), "HR").values()
    originals = map(read_rgb, files)
    mean = np.mean([distance(bicubic(hr), hr) for hr in originals])
    assert f"{mean:.4f}".removeprefix("0") == printed


def test_equal_images_are_at_distance_zero_and_others_are_not(
    distance: Lpips, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    first, second = pair
    assert distance(first, first) == 0
    assert distance(first, second) > 0
    assert distance(first, second) == pytest.approx(distance(second, first), rel=1e-6)


def test_the_whole_image_counts_unshaved(distance: Lpips, pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    changed = second.copy()
    changed[0, :] = 255 - changed[0, :]
    assert distance(first, changed) != distance(first, second)


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
def test_the_distance_and_its_map_are_those_of_the_package(
    distance: Lpips, random_backbone: Path, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    import lpips

    signed = [torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1 for image in pair]
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    backbone = load_file(random_backbone)
    names = [f"features.{layer}.{kind}" for layer in ALEXNET_SHAPES for kind in ("weight", "bias")]
    with torch.no_grad():
        for name, parameter in zip(names, package.net.parameters(), strict=True):
            parameter.copy_(backbone[name])
    value, where = distance.spatial(*pair)
    with torch.no_grad():
        assert value == pytest.approx(package(*signed).item(), rel=1e-6)
        package.spatial = True
        assert where == pytest.approx(package(*signed)[0, 0].numpy(), rel=1e-4, abs=1e-7)


def test_the_map_shows_where_an_image_is_damaged(distance: Lpips) -> None:
    hr = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)
    sr = hr.copy()
    sr[:, :64] = 128
    value, where = distance.spatial(sr, hr)
    assert value == distance(sr, hr)
    assert where.shape == hr.shape[:2]
    assert where[:, :48].mean() > 5 * where[:, 80:].mean()
    assert not distance.spatial(hr, hr)[1].any()


def test_scoring_writes_a_map_for_each_image_and_the_same_numbers(tmp_path: Path, random_backbone: Path) -> None:
    hr = np.random.default_rng(2).integers(0, 256, (64, 80, 3), np.uint8)
    sr = hr.copy()
    sr[:32] = 0
    for folder, image in (("HR", hr), ("SR", sr)):
        write_png(tmp_path / folder / "one.png", image)
    pairs = match_folders(tmp_path / "SR", tmp_path / "HR")
    without = score_pairs(pairs, backbone=random_backbone)
    task = Task("one", pairs["one"], ["lpips"], tmp_path / "maps" / "one.png")
    assert measure([task], Meters("alex", random_backbone), workers=1, threads=1) == [{"lpips": without["lpips"][0]}]
    with Image.open(tmp_path / "maps" / "one.png") as where:
        assert where.size == (20, 16)
        assert np.asarray(where)[:6].mean() > np.asarray(where)[10:].mean()


def test_random_generator_and_gradients_are_left_alone(random_backbone: Path) -> None:
    state = torch.get_rng_state()
    Lpips("alex", random_backbone)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_images_too_small_or_of_two_sizes_are_refused(distance: Lpips, pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    assert distance(first[:31, :31], first[:31, :31]) == 0
    with pytest.raises(InputError, match=r"52x30 pixels are too few for alex"):
        distance(first[:30], second[:30])
    with pytest.raises(InputError, match="52x40 and 50x40"):
        distance(first, second[:, :50])


def test_wrong_networks_and_files_are_refused(tmp_path: Path, random_backbone: Path) -> None:
    with pytest.raises(InputError, match="alex, vgg, squeeze"):
        Lpips("resnet", random_backbone)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"gone\.safetensors: no such weight file"):
        Lpips("alex", tmp_path / "gone.safetensors")
    with pytest.raises(InputError, match=r"alexnet\.safetensors: has no features\.0\.weight of shape \(64, 3, 3, 3\)"):
        Lpips("vgg", random_backbone)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(random_backbone.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"broken\.safetensors: not a readable"):
        Lpips("alex", broken)
