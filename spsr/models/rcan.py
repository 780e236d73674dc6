"""RCAN (Zhang et al. 2018), shown in the paper's Fig. 1."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from spsr.errors import InputError
from spsr.models.edsr import RGB_RANGE, div2k_mean, mean_shifts
from spsr.models.interpolation import hand_through, quieten
from spsr.models.key_layout import KeyLayout, Size, State, channels, check_x4, count
from spsr.models.layers import PixelShuffleConv, conv, image_conv


class ChannelAttentionBlock(nn.Module):
    """Convolution, ReLU, convolution, channel attention, plus the input (RCAB)."""

    def __init__(self, features: int, reduction: int) -> None:
        super().__init__()
        self.conv1 = conv(features, features)
        self.conv2 = conv(features, features)
        self.squeeze = conv(features, features // reduction, kernel=1)
        self.excite = conv(features // reduction, features, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x).relu())
        attention = self.excite(self.squeeze(functional.adaptive_avg_pool2d(y, 1)).relu()).sigmoid()
        return x + y * attention


class ResidualGroup(nn.Module):
    """Channel attention blocks, a convolution, plus the input."""

    def __init__(self, features: int, blocks: int, reduction: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ChannelAttentionBlock(features, reduction) for _ in range(blocks))
        self.end = conv(features, features)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for block in self.blocks:
            y = block(y)
        return x + self.end(y)


class RCAN(nn.Module):
    """RCAN x4 (15,592,355 parameters at its default size).

    Input `N x 3 x h x w` in [0, 1], output `N x 3 x 4h x 4w`, not clamped; inside, 0..255 with the mean of DIV2K
    subtracted. Weights start as PyTorch's default.

    Args:
        features: channels.
        groups: number of residual groups.
        blocks: number of attention blocks in a group.
        reduction: how many times fewer channels the attention has in its middle.
    """

    mean: Tensor

    def __init__(self, features: int = 64, groups: int = 10, blocks: int = 20, reduction: int = 16) -> None:
        super().__init__()
        if reduction > features:
            raise InputError(f"generator size reduction={reduction}: give at most features={features}")
        self.head = conv(3, features)
        self.groups = nn.ModuleList(ResidualGroup(features, blocks, reduction) for _ in range(groups))
        self.body_end = conv(features, features)
        self.upsample = nn.ModuleList(PixelShuffleConv(features) for _ in range(2))
        self.tail = image_conv(features)
        self.register_buffer("mean", div2k_mean(), persistent=False)

    def start_from_interpolation(self) -> None:
        """Start as a bilinear enlargement; see `spsr.models.interpolation`."""
        hand_through(self.head, *self.upsample, self.tail)
        quieten(self.body_end)

    def forward(self, lr: Tensor) -> Tensor:
        first = self.head(lr * RGB_RANGE - self.mean)
        x = first
        for group in self.groups:
            x = group(x)
        x = first + self.body_end(x)
        for up in self.upsample:
            x = up(x)
        return (self.tail(x) + self.mean) / RGB_RANGE


def _official_size(state: State) -> dict[str, Any]:
    features = channels(state, "head.0.weight")
    check_x4(state, "RCAN in the official layout", features, "tail.0.0.weight", "tail.0.2.weight")
    return {
        "features": features,
        "groups": count(state, r"body\.(\d+)\.body\."),
        "blocks": count(state, r"body\.0\.body\.(\d+)\.body\."),
        "reduction": features // channels(state, "body.0.body.0.body.3.conv_du.0.weight"),
    }


def _official_layers(size: Size) -> dict[str, str]:
    layers = {"head": "head.0", "body_end": f"body.{size['groups']}", "tail": "tail.1"}
    layers |= {"upsample.0.conv": "tail.0.0", "upsample.1.conv": "tail.0.2"}
    inside = {"conv1": "0", "conv2": "2", "squeeze": "3.conv_du.0", "excite": "3.conv_du.2"}
    for g in range(size["groups"]):
        layers[f"groups.{g}.end"] = f"body.{g}.body.{size['blocks']}"
        for b in range(size["blocks"]):
            for ours, theirs in inside.items():
                layers[f"groups.{g}.blocks.{b}.{ours}"] = f"body.{g}.body.{b}.body.{theirs}"
    return layers


KEY_LAYOUTS = (
    KeyLayout(
        title="RCAN in the official layout",
        architecture="rcan",
        markers=("body.0.body.0.body.0.weight",),
        size=_official_size,
        layers=_official_layers,
        constants=mean_shifts(),
    ),
)
"""The authors' RCAN, which is built on EDSR-PyTorch."""
