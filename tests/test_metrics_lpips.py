"""LPIPS through the `lpips` package: the printed Bicubic column, and its behaviour with any backbone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spsr.data import weights
from spsr.errors import InputError
from spsr.images import bicubic, image_index, read_rgb, select_role
from spsr.metrics.lpips import Lpips

ALEXNET_SHAPES = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}


@pytest.fixture(scope="module")
def random_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AlexNet's layers with random weights: enough for everything but the published numbers."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for layer, (out_channels, in_channels, kernel) in ALEXNET_SHAPES.items():
        shape = (out_channels, in_channels, kernel, kernel)
        state[f"features.{layer}.weight"] = torch.randn(shape, generator=generator) / (in_channels**0.5 * kernel)
        state[f"features.{layer}.bias"] = torch.zeros(out_channels)
    path = tmp_path_factory.mktemp("weights") / "alexnet.safetensors"
    save_file(state, path)
    return path


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
