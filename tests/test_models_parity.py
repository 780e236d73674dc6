"""The networks give the numbers that the official code gives with the same weights."""

import csv
from pathlib import Path

import golden_fill
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spsr.models import build
from spsr.models.discriminator import VggDiscriminator
from spsr.models.gradient import gradient_map
from spsr.models.nse import NSE, JigsawHead, Predictor
from spsr.models.vgg import VGG19


def as_input(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def largest_difference(ours: Tensor, reference: np.ndarray) -> float:
    assert ours.shape == reference.shape
    return float(np.abs(ours.detach().numpy() - reference).max())


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_fill_gives_the_numbers_of_the_rule(golden: Path) -> None:
    reference = np.load(golden / "fill_selfcheck.npz")
    assert (golden_fill.fmix32(np.arange(8, dtype=np.uint64)) == reference["fmix32_of_0_to_7"]).all()
    np.testing.assert_array_equal(golden_fill.uniform("abc", 8), reference["u_stream_abc_first8"])
    np.testing.assert_array_equal(golden_fill.image_u8(6, 5, "t"), reference["img_u8_6x5_tag_t"])
    shapes = {"model.0.weight": (64, 3, 3, 3), "f_HR_conv1.0.weight": (3, 64, 3, 3), "conv_w.0.bias": (3,)}
    for key, shape in shapes.items():
        np.testing.assert_allclose(golden_fill.filled(key, shape).flatten()[:16], reference[key], rtol=1e-6)


@pytest.mark.parametrize("padding", [1, 2])
def test_gradient_map_is_the_official_one(golden: Path, padding: int) -> None:
    reference = np.load(golden / "gradmap.npz")
    assert largest_difference(gradient_map(as_input(reference["img_u8"]), padding), reference[f"pad{padding}"]) <= 1e-6


def test_gradient_of_the_gradient_map_is_the_official_one(golden: Path) -> None:
    reference = np.load(golden / "gradmap.npz")
    image = as_input(reference["img_u8"]).requires_grad_()
    gradient_map(image, padding=2).sum().backward()
    assert image.grad is not None
    assert largest_difference(image.grad, reference["d_sum_pad2_dx"]) <= 1e-5


def test_spsr_generator_is_the_official_one(golden: Path) -> None:
    reference = np.load(golden / "spsr_small.npz")
    network = golden_fill.fill(build("spsr", features=16), golden_fill.spsr_names())
    with torch.no_grad():
        output = network(as_input(reference["lr_u8"]))
    assert largest_difference(output.sr, reference["sr"]) <= 1e-3
    assert largest_difference(output.gradient, reference["grad_branch"]) <= 1e-3


def test_spsr_features_along_the_way_are_the_official_ones(golden: Path) -> None:
    reference = np.load(golden / "spsr_small.npz")
    network = golden_fill.fill(build("spsr", features=16), golden_fill.spsr_names())
    places = {f"trunk_block_{n}": f"sr_branch.trunk.{n - 1}" for n in (5, 10, 15, 20, 23)}
    places |= {"HR_conv1_new": "sr_out", "b_fea_conv": "gradient_branch.head", "b_LR_conv": "gradient_branch.end"}
    places |= {"b_concat_1": "gradient_branch.reduce.0", "b_concat_4": "gradient_branch.reduce.3"}
    places |= {"b_module": "gradient_branch.out", "f_block": "fusion.block", "f_concat": "fusion.reduce"}
    seen: dict[str, Tensor] = {}
    for name, place in places.items():
        network.get_submodule(place).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    with torch.no_grad():
        network(as_input(reference["lr_u8"]))
    for name in places:
        feature = seen[name].double()
        assert tuple(reference[f"feat_{name}_shape"]) == feature.shape, name
        moments = [feature.mean().item(), feature.std(correction=0).item()]
        np.testing.assert_allclose(moments, reference[f"feat_{name}_meanstd"], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("file", "in_channels", "size", "parameters"),
    [("disc_vgg128", 3, 128, 14_502_281), ("disc_vgg32_in32", 32, 32, 2_175_689)],
)
def test_discriminator_is_the_official_one(
    golden: Path, file: str, in_channels: int, size: int, parameters: int
) -> None:
    reference = np.load(golden / f"{file}.npz")
    network = golden_fill.fill(VggDiscriminator(in_channels, size))
    assert count(network) == parameters == int(reference["n_params"])
    if size == 128:
        batch = torch.cat([golden_fill.image(128, 128, f"disc_{n}") for n in range(3)])
    else:
        values = golden_fill.uniform("disc32_input", 3 * 32 * 32 * 32).reshape(3, 32, 32, 32)
        batch = torch.from_numpy(np.maximum(values, 0).astype(np.float32))
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    with torch.no_grad():
        assert largest_difference(network.eval()(batch), reference["logits_eval"]) <= 1e-3
        assert largest_difference(network.train()(batch), reference["logits_train"]) <= 1e-3
    assert largest_difference(norms[0].running_mean, reference["after_train_first_running_mean"]) <= 1e-4
    assert largest_difference(norms[-1].running_var, reference["after_train_last_running_var"]) <= 1e-3


def test_vgg19_features_are_the_official_ones(golden: Path) -> None:
    reference = np.load(golden / "vgg19_conv5_4.npz")
    network = golden_fill.fill(VGG19(), gain=2**0.5)
    with torch.no_grad():
        assert largest_difference(network(as_input(reference["img_u8"])), reference["feat"]) <= 1e-3


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        ("spsr", {}, 24_796_230),
        ("rrdb", {}, 16_697_987),
        ("edsr", {}, 1_517_571),
        ("edsr", {"features": 256, "blocks": 32, "residual_scale": 0.1}, 43_089_923),
        ("srresnet", {}, 1_554_499),
        ("rcan", {}, 15_592_355),
        ("frsr", {}, 4_959_235),
        ("nmd", {}, 4_689_985),
        ("sftgan", {}, 1_833_763),
        ("nse", {}, 112_608),
    ],
)
def test_parameter_counts_are_the_published_ones(name: str, size: dict[str, float], parameters: int) -> None:
    with torch.device("meta"):
        assert count(build(name, **size)) == parameters


def test_head_parameter_counts() -> None:
    assert [count(Predictor(2)), count(Predictor(4)), count(JigsawHead())] == [90_656, 107_040, 104_984]
    assert count(NSE()) == 112_608


def test_spsr_keys_map_to_every_official_key(golden: Path) -> None:
    with (golden / "spsr_keys.csv").open() as stream:
        official = {row["key"]: row for row in csv.DictReader(stream)}
    with torch.device("meta"):
        ours = build("spsr").state_dict()
    names = golden_fill.spsr_names()
    assert names.keys() == ours.keys()
    rest = official.keys() - set(names.values())
    assert rest == {"HR_conv0_new.0.weight", "HR_conv0_new.0.bias", *golden_fill.NOT_FILLED}
    for key, theirs in names.items():
        assert "x".join(map(str, ours[key].shape)) == official[theirs]["shape"], key
