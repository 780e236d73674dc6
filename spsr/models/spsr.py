"""The generator of the paper: an RRDB branch guided by a branch that predicts the HR gradient map (Fig. 2)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.gradient import gradient_map
from spsr.models.interpolation import DERIVATIVES, SAME, SHARPER, add_magnitudes, carry, hand_through, quieten
from spsr.models.key_layout import KeyLayout, Size, State, channels, count
from spsr.models.layers import RESIDUAL_SCALE, RRDB, DenseBlock, UpConv, conv, image_conv, initialise, leaky_relu
from spsr.models.rrdb import SRBranch, dense_layers, old_sr_branch


class SPSROutput(NamedTuple):
    """What the SPSR generator returns: both `N x 3 x 4h x 4w`, not clamped."""

    sr: Tensor
    gradient: Tensor


RRDB_GAIN = 1 + RESIDUAL_SCALE
"""What an RRDB whose residuals are near zero makes its input larger by."""


def _begin_as_gain(blocks: nn.Module) -> None:
    """Start RRDBs with residuals near zero."""
    quieten(*(dense.convs[-1] for dense in blocks.modules() if isinstance(dense, DenseBlock)))


class GradientBranch(nn.Module):
    """Turns the gradient map of the LR image into features of the HR gradient map.

    Each block takes the features so far and one tap of the super-resolution branch, concatenated in this order.
    """

    def __init__(self, features: int, growth: int, taps: int) -> None:
        super().__init__()
        self.head = conv(3, features)
        self.blocks = nn.ModuleList(RRDB(2 * features, growth) for _ in range(taps))
        self.reduce = nn.ModuleList(conv(2 * features, features) for _ in range(taps))
        self.end = conv(features, features)
        self.upsample = nn.ModuleList(UpConv(features) for _ in range(2))
        self.hr = conv(features, features)
        self.out = conv(features, features)

    def start_from_interpolation(self, gain: float) -> None:
        """Start with the derivatives of an enlargement, three for each colour, as the first features.

        An enlarged LR gradient map would be no start: its lines are as broad as those of the LR map. So the colours
        come from the first tap, which has them times `gain`, and the other features begin with the LR gradient map.
        """
        first, *others = self.reduce
        assert isinstance(first, nn.Conv2d)
        _begin_as_gain(self.blocks)
        carry(self.head, 0 * SAME)
        carry(first, SAME / (gain * RRDB_GAIN ** len(self.blocks)), source=self.end.in_channels)
        hand_through(*others)
        carry(self.end, SHARPER)
        hand_through(*self.upsample)
        carry(self.hr, DERIVATIVES)
        hand_through(self.out)

    def forward(self, lr_gradient: Tensor, tapped: Sequence[Tensor]) -> Tensor:
        """Map `N x 3 x h x w` and the taps (each `N x features x h x w`) to `N x features x 4h x 4w`."""
        first = self.head(lr_gradient)
        x = first
        for block, reduce, tap in zip(self.blocks, self.reduce, tapped, strict=True):
            x = reduce(block(torch.cat((x, tap), dim=1)))
        x = first + self.end(x)
        for up in self.upsample:
            x = up(x)
        return self.out(leaky_relu(self.hr(x)))


class Fusion(nn.Module):
    """Fuses the features of the two branches into the SR image. Runs at HR: 46 % of the generator's FLOPs."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.block = RRDB(2 * features, growth)
        self.reduce = conv(2 * features, features)
        self.hr = conv(features, features)
        self.to_rgb = image_conv(features)

    def start_from_interpolation(self) -> None:
        """Start by handing `sr_features` through; `to_rgb` may be that of a network that made an image of them.

        What is negative in them is made smaller by one more LeakyReLU; colours are not negative.
        """
        _begin_as_gain(self.block)
        carry(self.reduce, SAME / RRDB_GAIN, source=self.reduce.out_channels)
        hand_through(self.hr, self.to_rgb)

    def forward(self, gradient_features: Tensor, sr_features: Tensor) -> Tensor:
        x = self.reduce(self.block(torch.cat((gradient_features, sr_features), dim=1)))
        return self.to_rgb(leaky_relu(self.hr(x)))


class SPSR(nn.Module):
    """The SPSR generator (24,796,230 parameters at its default size), x4.

    No image skip, no clamping; nothing is detached, so each loss reaches both branches. Weights start as in the
    official code: Kaiming normal times 0.1, biases 0.

    Args:
        features: channels of both branches.
        blocks: number of RRDBs in the super-resolution branch.
        growth: channels that each dense convolution adds, in all RRDBs.
        taps: after which RRDBs (counted from 1) the gradient branch takes features. By default four, spread
            evenly: every (blocks // 4)-th, which is the paper's 5, 10, 15, 20 for 23 blocks and 1, 2, 3, 4 for 4.
    """

    def __init__(
        self,
        features: int = 64,
        blocks: int = 23,
        growth: int = 32,
        taps: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if taps is None:
            taps = [min(i * max(1, blocks // 4), blocks) for i in (1, 2, 3, 4)]
        if not taps or min(taps) < 1 or max(taps) > blocks:
            raise InputError(f"generator size taps={list(taps)}: give block numbers from 1 to blocks={blocks}")
        self.taps = tuple(taps)
        self.sr_branch = SRBranch(features, blocks, growth)
        self.sr_out = conv(features, features)
        self.gradient_branch = GradientBranch(features, growth, len(self.taps))
        self.to_gradient = image_conv(features, kernel=1)
        self.fusion = Fusion(features, growth)
        initialise(self, gain=0.1)

    def start_from_interpolation(self) -> None:
        """Start as a bilinear enlargement, and the gradient map of a sharpened one; see `spsr.models.interpolation`."""
        self.sr_branch.start_from_interpolation()
        self.gradient_branch.start_from_interpolation(gain=RRDB_GAIN ** self.taps[0])
        hand_through(self.sr_out)
        add_magnitudes(self.to_gradient)
        self.fusion.start_from_interpolation()

    def forward(self, lr: Tensor, use_gradient_features: bool = True) -> SPSROutput:
        """Super-resolve `N x 3 x h x w` in [0, 1].

        Args:
            lr: the low-resolution images.
            use_gradient_features: False puts zeros in the place of the gradient branch's features in the fusion
                (Fig. 11); the predicted gradient map is returned as usual.
        """
        sr_features, tapped = self.sr_branch(lr, self.taps)
        gradient_features = self.gradient_branch(gradient_map(lr), [tapped[number] for number in self.taps])
        gradient = self.to_gradient(gradient_features)
        if not use_gradient_features:
            gradient_features = torch.zeros_like(gradient_features)
        return SPSROutput(self.fusion(gradient_features, self.sr_out(sr_features)), gradient)


OFFICIAL_TAPS = (5, 10, 15, 20)
VERTICAL = torch.tensor([[0.0, -1, 0], [0, 0, 0], [0, 1, 0]]).view(1, 1, 3, 3)


def _official_size(state: State) -> dict[str, Any]:
    blocks = count(state, r"model\.1\.sub\.(\d+)\.RDB")
    if blocks < max(OFFICIAL_TAPS):
        raise InputError(f"official SPSR: {blocks} blocks, but its gradient branch reads the 5th, 10th, 15th and 20th")
    return {
        "features": channels(state, "model.0.weight"),
        "blocks": blocks,
        "growth": channels(state, "b_block_1.RDB1.conv1.0.weight"),
        "taps": OFFICIAL_TAPS,
    }


def official_layers(size: Size) -> dict[str, str]:
    """Our layers of SPSR with its four taps, to the names of the official code."""
    layers = old_sr_branch(size["blocks"]) | {"sr_out": "HR_conv1_new.0", "gradient_branch.head": "b_fea_conv.0"}
    for n in range(len(OFFICIAL_TAPS)):
        layers |= dense_layers(f"gradient_branch.blocks.{n}", f"b_block_{n + 1}.RDB{{}}.conv{{}}.0")
        layers[f"gradient_branch.reduce.{n}"] = f"b_concat_{n + 1}.0"
    layers |= {
        "gradient_branch.end": "b_LR_conv.0",
        "gradient_branch.upsample.0.conv": "b_module.1",
        "gradient_branch.upsample.1.conv": "b_module.4",
        "gradient_branch.hr": "b_module.6",
        "gradient_branch.out": "b_module.8",
        "to_gradient": "conv_w.0",
    }
    layers |= dense_layers("fusion.block", "f_block.RDB{}.conv{}.0")
    return layers | {"fusion.reduce": "f_concat.0", "fusion.hr": "f_HR_conv0.0", "fusion.to_rgb": "f_HR_conv1.0"}


KEY_LAYOUTS = (
    KeyLayout(
        title="SPSR in the official layout",
        architecture="spsr",
        markers=("model.1.sub.0.RDB1.conv1.0.weight", "b_fea_conv.0.weight"),
        size=_official_size,
        layers=official_layers,
        copies={"HR_conv0_new.0": "model.8"},
        constants={"get_g_nopadding.weight_v": VERTICAL, "get_g_nopadding.weight_h": VERTICAL.transpose(2, 3)},
    ),
)
"""Maclory/SPSR (`spsr.pth`)."""
