"""How the networks behave apart from their numbers."""

import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from spsr.errors import InputError
from spsr.metrics.torchvision_ops import import_torchvision
from spsr.models import GENERATORS, build
from spsr.models.discriminator import VggDiscriminator
from spsr.models.flops import forward_backward_flops, forward_flops
from spsr.models.gradient import gradient_map
from spsr.models.layers import DenseBlock
from spsr.models.nse import NSE, RECEPTIVE_FIELD, STRIDE
from spsr.models.resnet import ResNet18
from spsr.models.vgg import VGG19

SMALL = {"features": 8, "blocks": 2}
SIZES: dict[str, dict[str, Any]] = {
    "rcan": {"features": 16, "blocks": 1, "groups": 2},
    "sftgan": SMALL | {"maps": "colour"},
}


def small(name: str) -> nn.Module:
    return build(name, **SIZES.get(name, SMALL))


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_upscales_by_four_and_trains_all_of_itself(name: str) -> None:
    network = small(name)
    output = network(torch.rand(2, 3, 7, 9))
    outputs = output if isinstance(output, tuple) else (output,)
    assert all(image.shape == (2, 3, 28, 36) for image in outputs)
    sum(image.square().sum() for image in outputs).backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_rrdb_has_three_scales(scale: int) -> None:
    assert build("rrdb", **SMALL, scale=scale)(torch.rand(1, 3, 6, 5)).shape == (1, 3, 6 * scale, 5 * scale)


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_scale_without_a_net_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="scale"):
        build(name, scale=3)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("spsrr", {}, "did you mean 'spsr'"),
        ("rrdb", {"feature": 8}, "did you mean 'features'"),
        ("rrdb", {"blocks": 0}, "blocks=0"),
        ("rrdb", {"blocks": "many"}, "whole number"),
        ("edsr", {"residual_scale": -1.0}, "residual_scale"),
        ("spsr", {"blocks": 4, "taps": (1, 5)}, "taps"),
    ],
)
def test_wrong_sizes_are_refused_with_the_place(name: str, size: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build(name, **size)


@pytest.mark.parametrize(
    ("blocks", "taps"), [(23, (5, 10, 15, 20)), (4, (1, 2, 3, 4)), (8, (2, 4, 6, 8)), (1, (1,) * 4)]
)
def test_taps_are_spread_evenly(blocks: int, taps: tuple[int, ...]) -> None:
    assert build("spsr", features=4, growth=4, blocks=blocks).taps == taps


def test_generators_start_as_the_official_code_does() -> None:
    torch.manual_seed(0)
    layer = build("spsr", features=32, blocks=1).fusion.reduce
    assert layer.bias.abs().max() == 0
    assert layer.weight.std().item() == pytest.approx(0.1 * (2 / (64 * 9)) ** 0.5, rel=0.03)


def test_spsr_without_gradient_features_changes_the_image_and_not_the_map() -> None:
    network, lr = small("spsr"), torch.rand(1, 3, 8, 8)
    full, cut = network(lr), network(lr, use_gradient_features=False)
    torch.testing.assert_close(full.gradient, cut.gradient, rtol=0, atol=0)
    assert not torch.equal(full.sr, cut.sr)
    assert torch.autograd.grad(cut.sr.sum(), network.gradient_branch.head.weight, allow_unused=True) == (None,)


def test_gradient_map_needs_no_care_under_autocast() -> None:
    image = torch.rand(1, 3, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(gradient_map(image), gradient_map(image.clone()))
    half = gradient_map(image.bfloat16())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, gradient_map(image.bfloat16().float()))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31))
def test_gradient_map_properties(height: int, width: int, seed: int) -> None:
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    narrow, wide = gradient_map(image), gradient_map(image, padding=2)
    assert narrow.min() >= 1e-3 - 1e-9
    torch.testing.assert_close(wide[..., 1:-1, 1:-1], narrow, rtol=0, atol=0)
    torch.testing.assert_close(gradient_map(image.transpose(2, 3)), narrow.transpose(2, 3), rtol=0, atol=1e-7)
    torch.testing.assert_close(gradient_map(image.flip(3)), narrow.flip(3), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("size", "side", "stages"),
    [(128, 130, 5), (64, 64, 4), (64, 66, 4), (32, 34, 3), (16, 16, 2), (8, 8, 1), (4, 4, 0)],
)
def test_discriminator_sizes(size: int, side: int, stages: int) -> None:
    network = VggDiscriminator(5, size, channels=4)
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == 2 * stages
    assert network(torch.rand(2, 5, side, side)).shape == (2, 1)


def test_discriminator_refuses_other_sizes() -> None:
    with pytest.raises(InputError, match="96"):
        VggDiscriminator(3, 96)
    with pytest.raises(InputError, match="64x64"):
        VggDiscriminator(3, 128, channels=4)(torch.rand(1, 3, 64, 64))


def test_nse_receptive_field_and_stride() -> None:
    torch.manual_seed(0)
    network = NSE().double()
    for layer in network.convs:
        nn.init.uniform_(layer.weight, 0.01, 0.02)
        nn.init.ones_(layer.bias)
    image = torch.rand(1, 3, 96, 84, dtype=torch.float64, requires_grad=True)
    features = network(image)
    assert features.shape == (1, 32, 24, 21)
    features[0, :, 11, 10].sum().backward()
    assert image.grad is not None
    rows, columns = image.grad[0].abs().sum(0).nonzero(as_tuple=True)
    reach = RECEPTIVE_FIELD // 2
    assert (rows.min(), rows.max()) == (11 * STRIDE - reach, 11 * STRIDE + reach)
    assert (columns.min(), columns.max()) == (10 * STRIDE - reach, 10 * STRIDE + reach)
    assert len(rows) == RECEPTIVE_FIELD**2


def test_feature_networks_are_frozen_and_pass_gradients_to_the_image() -> None:
    for network, shape in ((VGG19(), (1, 512, 2, 3)), (ResNet18(), (1, 256, 2, 3))):
        network.train()
        before = {key: value.clone() for key, value in network.state_dict().items()}
        image = torch.rand(1, 3, 32, 48, requires_grad=True)
        features = network(image)
        assert features.shape == shape
        features.sum().backward()
        assert image.grad is not None
        assert image.grad.abs().sum() > 0
        assert all(parameter.grad is None for parameter in network.parameters())
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_resnet18_is_torchvisions() -> None:
    theirs = import_torchvision().models.resnet18(weights=None).eval()
    ours = ResNet18().load(theirs.state_dict())
    image = torch.rand(1, 3, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1((image - mean.view(3, 1, 1)) / std.view(3, 1, 1)))))
        torch.testing.assert_close(ours(image), theirs.layer3(theirs.layer2(theirs.layer1(x))))


def test_vgg19_with_caffe_preprocessing_starts_with_its_own_convolution() -> None:
    state = VGG19("caffe").state_dict()
    network = VGG19("caffe").load(state)
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(network(image), network.features(network.input(image)))


def test_feature_weights_that_do_not_fit_are_refused() -> None:
    caffe = VGG19("caffe").state_dict()
    with pytest.raises(InputError, match="'caffe', not 'torchvision'"):
        VGG19().load(caffe)
    with pytest.raises(InputError, match=r"'features\.2\.bias' is missing"):
        VGG19("caffe").load({key: value for key, value in caffe.items() if key != "features.2.bias"})
    with pytest.raises(InputError, match=r"'surprise' does not belong"):
        VGG19("caffe").load(caffe | {"surprise": torch.zeros(1)})
    with pytest.raises(InputError, match=r"'bn1\.weight' has shape"):
        ResNet18().load(ResNet18().state_dict() | {"bn1.weight": torch.zeros(3)})


@pytest.mark.parametrize(
    ("name", "forward", "both"), [("rrdb", 36.71, 110.1), ("spsr", 107.31, 321.9), ("edsr", 4.06, 12.2)]
)
def test_flops_are_those_measured_on_the_official_networks(name: str, forward: float, both: float) -> None:
    with torch.device("meta"):
        network = build(name)
    assert forward_flops(network, (1, 3, 32, 32)) / 1e9 == pytest.approx(forward, rel=1e-3)
    assert forward_backward_flops(network, (1, 3, 32, 32)) / 1e9 == pytest.approx(both, rel=2e-3)


def test_flops_of_a_frozen_network_are_those_of_its_input_gradient() -> None:
    with torch.device("meta"):
        network = VGG19()
    real = forward_flops(network, (1, 3, 128, 128))
    fake = forward_backward_flops(network, (1, 3, 128, 128), input_gradient=True)
    assert real / 1e9 == pytest.approx(12.74, rel=1e-3)
    assert (real + fake) / 1e9 == pytest.approx(38.2, rel=1e-3)


def test_a_network_that_is_first_built_without_memory_leaves_its_modules_constants_real() -> None:
    code = """
import torch
from spsr.models import build
with torch.device("meta"):
    build("edsr", features=4, blocks=1)
from spsr.models.edsr import KEY_LAYOUTS
assert not any(constant.is_meta for constant in KEY_LAYOUTS[0].constants.values())
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


class Called(TorchDispatchMode):
    """Counts the operations that are dispatched."""

    def __init__(self) -> None:
        super().__init__()
        self.times: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.times[str(func)] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("fused", [False, True])
def test_a_dense_block_is_its_formula_with_gradients_and_copies_no_more_than_it_must(
    fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`fused`: the residual as a GPU adds it."""
    torch.manual_seed(0)
    block = DenseBlock(6, 4).double()
    x = torch.randn(2, 6, 7, 8, dtype=torch.float64, requires_grad=True)
    features = [x]
    for layer in block.convs[:4]:
        features.append(functional.leaky_relu(layer(torch.cat(features, dim=1)), 0.2))
    formula = x + 0.2 * block.convs[4](torch.cat(features, dim=1))
    if fused:
        monkeypatch.setattr(torch.Tensor, "is_cuda", True, raising=False)
    with Called() as called:
        ours = block(x)
    monkeypatch.undo()
    inputs = [x, *block.parameters()]
    weight = torch.randn_like(ours)
    for mine, theirs in zip(
        (ours, *torch.autograd.grad(ours, inputs, weight)),
        (formula, *torch.autograd.grad(formula, inputs, weight)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
    assert called.times["aten.cat.default"] == 4
    assert not {"aten.leaky_relu.default", "aten.mul.Tensor"} & set(called.times)
