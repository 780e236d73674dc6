"""EDSR (Lim et al. 2017), the first of the two other base networks of Table 7."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spsr.models.interpolation import hand_through, quieten
from spsr.models.key_layout import KeyLayout, Size, State, channels, check_x4, count
from spsr.models.layers import PixelShuffleConv, conv, image_conv

RGB_RANGE = 255.0
DIV2K_MEAN = (0.4488, 0.4371, 0.4040)


def div2k_mean() -> Tensor:
    """The mean colour of DIV2K on 0..255 as `1 x 3 x 1 x 1`, which EDSR and RCAN subtract and add again."""
    return torch.tensor(np.array(DIV2K_MEAN, np.float32) * np.float32(RGB_RANGE)).view(1, 3, 1, 1)


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, times `scale`, plus the input."""

    def __init__(self, features: int, scale: float) -> None:
        super().__init__()
        self.conv1 = conv(features, features)
        self.conv2 = conv(features, features)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.conv2(self.conv1(x).relu())


class EDSR(nn.Module):
    """EDSR x4: 1,517,571 parameters at the baseline size (the paper's EDSR by its PSNR), 43,089,923 at 256/32/0.1.

    Input `N x 3 x h x w` in [0, 1], output `N x 3 x 4h x 4w`, not clamped; the network itself works on 0..255
    with the mean of DIV2K subtracted. Weights start as PyTorch's default, as in the EDSR repository.

    Args:
        features: channels.
        blocks: number of residual blocks.
        residual_scale: factor on each residual; 1 in the baseline, 0.1 in the large model.
    """

    mean: Tensor

    def __init__(self, features: int = 64, blocks: int = 16, residual_scale: float = 1.0) -> None:
        super().__init__()
        self.head = conv(3, features)
        self.body = nn.ModuleList(ResidualBlock(features, residual_scale) for _ in range(blocks))
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
        for block in self.body:
            x = block(x)
        x = first + self.body_end(x)
        for up in self.upsample:
            x = up(x)
        return (self.tail(x) + self.mean) / RGB_RANGE


def mean_shifts() -> dict[str, Tensor]:
    """The fixed 1x1 convolutions that take out and put back the mean of DIV2K in EDSR's and RCAN's official code."""
    identity = torch.eye(3).view(3, 3, 1, 1)
    mean = torch.tensor(DIV2K_MEAN) * RGB_RANGE
    return {
        "sub_mean.weight": identity,
        "sub_mean.bias": -mean,
        "add_mean.weight": identity,
        "add_mean.bias": mean,
    }


def _official_size(state: State) -> dict[str, Any]:
    features = channels(state, "head.0.weight")
    check_x4(state, "EDSR in the official layout", features, "tail.0.0.weight", "tail.0.2.weight")
    # The factor on the residuals is not stored; the EDSR repository uses 0.1 with its 256 channels.
    scale = 0.1 if features >= 256 else 1.0
    return {"features": features, "blocks": count(state, r"body\.(\d+)\.body\."), "residual_scale": scale}


def _official_layers(size: Size) -> dict[str, str]:
    layers = {"head": "head.0", "body_end": f"body.{size['blocks']}", "tail": "tail.1"}
    layers |= {"upsample.0.conv": "tail.0.0", "upsample.1.conv": "tail.0.2"}
    for n in range(size["blocks"]):
        layers |= {f"body.{n}.conv1": f"body.{n}.body.0", f"body.{n}.conv2": f"body.{n}.body.2"}
    return layers


KEY_LAYOUTS = (
    KeyLayout(
        title="EDSR in the official layout",
        architecture="edsr",
        markers=("body.0.body.0.weight",),
        size=_official_size,
        layers=_official_layers,
        constants=mean_shifts(),
    ),
)
"""EDSR-PyTorch."""
