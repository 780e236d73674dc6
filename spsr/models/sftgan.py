"""SFTGAN (Wang et al. 2018): SRResNet whose features are modulated by maps of what an image shows."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from spsr.config.settings import MAP_PROVIDERS
from spsr.errors import InputError
from spsr.models.discriminator import halving_stages
from spsr.models.interpolation import hand_through, quieten
from spsr.models.key_layout import KeyLayout, Size, State, channels, check_x4, count
from spsr.models.layers import PixelShuffleConv, conv, image_conv, initialise
from spsr.models.segmentation import CATEGORIES, maps_of

CONDITION_SLOPE = 0.1

fx.wrap("maps_of")  # a single node of a traced network, whatever the provider does


class SpatialFeatureTransform(nn.Module):
    """Features times a scale plus a shift, both seen by two 1x1 convolutions in the conditions."""

    def __init__(self, features: int, conditions: int) -> None:
        super().__init__()
        self.scale = nn.ModuleList((conv(conditions, conditions, 1), conv(conditions, features, 1)))
        self.shift = nn.ModuleList((conv(conditions, conditions, 1), conv(conditions, features, 1)))

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        scale, shift = (
            last(functional.leaky_relu(first(conditions), CONDITION_SLOPE)) for first, last in (self.scale, self.shift)
        )
        return x * (scale + 1.0) + shift


class TransformedBlock(nn.Module):
    """A residual block with a transform before each convolution; its ReLU follows the first convolution."""

    def __init__(self, features: int, conditions: int) -> None:
        super().__init__()
        self.sft1 = SpatialFeatureTransform(features, conditions)
        self.conv1 = conv(features, features)
        self.sft2 = SpatialFeatureTransform(features, conditions)
        self.conv2 = conv(features, features)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        y = self.conv1(self.sft1(x, conditions)).relu()
        return x + self.conv2(self.sft2(y, conditions))


class SFTGAN(nn.Module):
    """SFTGAN's generator x4 as its authors released it (1,833,763 parameters at its default size).

    Input `N x 3 x h x w` in [0, 1], output `N x 3 x 4h x 4w`, not clamped. Layers that SRResNet has have its keys, so
    that it can start from a trained one. Weights start as SRResNet's (Kaiming normal times 0.1); those of the condition
    network and of the first convolution of each transform are not made smaller, so that conditions do not vanish.

    Args:
        features: channels.
        blocks: number of residual blocks.
        conditions: channels of the conditions.
        maps: where probability maps come from if `forward` is given none; see `spsr.models.segmentation`.
    """

    def __init__(
        self,
        features: int = 64,
        blocks: int = 16,
        conditions: int = 32,
        maps: str = "outdoor_scene",
    ) -> None:
        super().__init__()
        if maps not in MAP_PROVIDERS:
            raise InputError(f"generator size maps={maps}: choose one of {', '.join(MAP_PROVIDERS)}")
        self.maps = maps
        widths = [len(CATEGORIES), *[4 * conditions] * 4]
        layers: list[nn.Module] = [nn.Conv2d(widths[0], widths[1], 4, stride=4), nn.LeakyReLU(CONDITION_SLOPE)]
        for width in widths[2:]:
            layers += [conv(width, width, 1), nn.LeakyReLU(CONDITION_SLOPE)]
        self.condition = nn.Sequential(*layers, conv(widths[-1], conditions, 1))
        self.head = conv(3, features)
        self.body = nn.ModuleList(TransformedBlock(features, conditions) for _ in range(blocks))
        self.sft_end = SpatialFeatureTransform(features, conditions)
        self.body_end = conv(features, features)
        self.upsample = nn.ModuleList(PixelShuffleConv(features) for _ in range(2))
        self.hr = conv(features, features)
        self.tail = image_conv(features)
        initialise(self, gain=0.1)
        initialise(self.condition, gain=1)
        for module in self.modules():
            if isinstance(module, SpatialFeatureTransform):
                initialise(module.scale[0], gain=1)
                initialise(module.shift[0], gain=1)

    def conditional_parameters(self) -> Iterator[nn.Parameter]:
        """Those of the transforms and of the condition network, which train first and five times faster."""
        return (parameter for name, parameter in self.named_parameters() if is_conditional(name))

    def start_from_interpolation(self) -> None:
        """Start as a bilinear enlargement; see `spsr.models.interpolation`."""
        hand_through(self.head, *self.upsample, self.hr, self.tail)
        quieten(self.body_end)

    def forward(self, lr: Tensor, maps: Tensor | None = None) -> Tensor:
        conditions = self.condition(maps_of(lr, self.maps) if maps is None else maps)
        first = self.head(lr)
        x = first
        for block in self.body:
            x = block(x, conditions)
        x = first + self.body_end(self.sft_end(x, conditions))
        for up in self.upsample:
            x = up(x).relu()
        return self.tail(self.hr(x).relu())


def is_conditional(key: str) -> bool:
    """Whether a state dict key is of a layer that SRResNet does not have."""
    return key.startswith(("condition.", "sft_end.")) or ".sft1." in key or ".sft2." in key


class AuxiliaryDiscriminator(nn.Module):
    """SFTGAN's discriminator with a class head (ACD-VGG-BN-96 for size 96).

    Four stages of a 3x3 and a halving 4x4 convolution with LeakyReLU(0.1), then two linear layers for the logit of a
    real image and two for the categories.
    `N x in_channels x size x size` to `N x 9`: the logit, then eight scores.

    Args:
        in_channels: channels of the input.
        size: side of the input, a multiple of 16.
        channels: of the first stage.
    """

    def __init__(self, in_channels: int = 3, size: int = 96, channels: int = 64) -> None:
        super().__init__()
        if size < 16 or size % 16:
            raise InputError(f"discriminator for inputs of {size} pixels: the side must be a multiple of 16")
        self.size = size
        self.features = halving_stages(in_channels, channels, 4, CONDITION_SLOPE)
        self.real, self.category = (self._head(8 * channels * (size // 16) ** 2, n) for n in (1, len(CATEGORIES)))
        initialise(self, gain=1)

    @staticmethod
    def _head(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(inputs, 100), nn.LeakyReLU(CONDITION_SLOPE, inplace=True), nn.Linear(100, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != (self.size, self.size):
            raise InputError(f"discriminator for inputs of {self.size} pixels: got {x.shape[-2]}x{x.shape[-1]}")
        features = self.features(x).flatten(1)
        return torch.cat([self.real(features), self.category(features)], dim=1)


def _official_size(state: State) -> dict[str, Any]:
    features = channels(state, "conv0.weight")
    check_x4(state, "SFTGAN", features, "HR_branch.0.weight", "HR_branch.3.weight")
    return {
        "features": features,
        "blocks": count(state, r"sft_branch\.(\d+)\.sft0\."),
        "conditions": channels(state, "CondNet.8.weight"),
    }


def _official_layers(size: Size) -> dict[str, str]:
    blocks = size["blocks"]
    layers = {"head": "conv0", "body_end": f"sft_branch.{blocks + 1}", "hr": "HR_branch.6", "tail": "HR_branch.8"}
    layers |= {"upsample.0.conv": "HR_branch.0", "upsample.1.conv": "HR_branch.3"}
    transforms = {"sft_end": f"sft_branch.{blocks}"}
    for n in range(blocks):
        layers |= {f"body.{n}.conv1": f"sft_branch.{n}.conv0", f"body.{n}.conv2": f"sft_branch.{n}.conv1"}
        transforms |= {f"body.{n}.sft1": f"sft_branch.{n}.sft0", f"body.{n}.sft2": f"sft_branch.{n}.sft1"}
    for ours, theirs in transforms.items():
        layers |= {f"{ours}.{part}.{n}": f"{theirs}.SFT_{part}_conv{n}" for part in ("scale", "shift") for n in (0, 1)}
    return layers | {f"condition.{n}": f"CondNet.{n}" for n in (0, 2, 4, 6, 8)}


KEY_LAYOUTS = (
    KeyLayout(
        title="SFTGAN in the official layout",
        architecture="sftgan",
        markers=("CondNet.0.weight",),
        size=_official_size,
        layers=_official_layers,
    ),
)
"""The authors' release for PyTorch."""
