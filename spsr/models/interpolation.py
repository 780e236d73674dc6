"""Starting a network as an enlargement of its input.

The convolutions on the way from image to image hand the colours on, and the residuals beside it start near zero. Before
a first step the network then makes the bilinear enlargement by two, twice (within 1e-3; borders differ, because
convolutions pad with zeros), and the other features start as they do anyway and are handed on, too.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from spsr.errors import InputError
from spsr.models.layers import NEGATIVE_SLOPE, NearestConv, PixelShuffleConv

COLOURS = 3
NEAR_ZERO = 1e-4
"""Factor on first weights that shall not be seen, and yet differ."""

SAME = torch.ones(1, 1, 1)
"""The kernel that changes nothing."""
_TENT = torch.tensor([1.0, 2.0, 1.0]) / 4
_BETWEEN = torch.tensor([[1.0, 3.0, 0.0], [0.0, 3.0, 1.0]]) / 4
AFTER_NEAREST = torch.outer(_TENT, _TENT)[None]
"""The kernel that makes nearest-neighbour x2 bilinear, `1 x 3 x 3`."""
BEFORE_SHUFFLE = torch.einsum("ay,bx->abyx", _BETWEEN, _BETWEEN).flatten(0, 1)
"""The kernels of the four pixels into which a pixel is shuffled, `4 x 3 x 3`, that make the enlargement bilinear."""

SHARPER = 2 * functional.pad(SAME, [1] * 4) - torch.ones(1, 3, 3) / 9
"""The kernel of an unsharp mask, `1 x 3 x 3`, which makes up for some of what an enlargement blurs."""
_ANGLES = torch.arange(3).view(3, 1, 1) * 2 * math.pi / 3
_ACROSS = torch.tensor([[0.0, 0, 0], [-1, 0, 1], [0, 0, 0]])
DERIVATIVES = torch.cos(_ANGLES) * _ACROSS + torch.sin(_ANGLES) * _ACROSS.T
"""The kernels of central differences in three directions that sum to zero, `3 x 3 x 3`.

So do these derivatives, and of the sum of their LeakyReLUs only magnitudes remain: that of the gradient, within 8 %,
times `_MAGNITUDES`.
"""
_MAGNITUDES = 3 * (2 / math.pi) * (1 - NEGATIVE_SLOPE) / 2


def hand_through(*path: nn.Module) -> None:
    """Start convolutions and upsamplings, one behind the other, by handing each channel on to its number."""
    for layer in path:
        if isinstance(layer, NearestConv):
            carry(layer.conv, AFTER_NEAREST)
        elif isinstance(layer, PixelShuffleConv):
            carry(layer.conv, BEFORE_SHUFFLE)
        elif isinstance(layer, nn.Conv2d):
            carry(layer)


@torch.no_grad()
def carry(layer: nn.Conv2d, kernels: Tensor = SAME, source: int = 0) -> None:
    """Start a convolution by handing channels on; what else these outputs read starts near zero.

    Outputs that no channel is left for keep their start.

    Args:
        layer: its inputs from `source` on go to its outputs from 0 on, each to `len(kernels)` of them.
        kernels: `n x k x k` at most as large as the layer's own, for the `n` outputs of a channel.

    Raises:
        InputError: three colours do not fit.
    """
    outputs = len(kernels)
    channels = min(layer.in_channels - source, layer.out_channels // outputs)
    if channels < COLOURS:
        raise InputError(
            f"a start from interpolation has no room for three colours in {layer.out_channels} features; "
            f"give {COLOURS * outputs}"
        )
    kernels = functional.pad(kernels, [(layer.kernel_size[0] - kernels.shape[-1]) // 2] * 4)
    layer.weight[: channels * outputs] *= NEAR_ZERO
    for channel in range(channels):
        layer.weight[channel * outputs : (channel + 1) * outputs, source + channel] += kernels
    if layer.bias is not None:
        layer.bias[: channels * outputs] = 0


@torch.no_grad()
def add_magnitudes(layer: nn.Conv2d) -> None:
    """Start a 1x1 convolution to three colours with the gradient magnitudes that the first features are the parts of.

    These are what LeakyReLU leaves of the `DERIVATIVES` of each colour.
    """
    parts = len(DERIVATIVES)
    layer.weight *= NEAR_ZERO
    for colour in range(COLOURS):
        layer.weight[colour, parts * colour : parts * (colour + 1)] += 1 / _MAGNITUDES


@torch.no_grad()
def quieten(*layers: nn.Module) -> None:
    """Start the last layers of residuals near zero."""
    for layer in layers:
        for parameter in layer.parameters():
            parameter.mul_(NEAR_ZERO)
