"""Starting a network as an enlargement of its input.

The convolutions on the way from image to image hand the colours on, and the residuals beside it start near zero. Before
a first step the network then makes the bilinear enlargement by two, twice (within 1e-3; borders differ, because
convolutions pad with zeros), and the other features start as they do anyway and are handed on, too.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spsr.errors import InputError
from spsr.models.layers import NearestConv, PixelShuffleConv

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
        raise InputError(f"a start from interpolation has three colours to hand through {channels} features; give 3")
    kernels = functional.pad(kernels, [(layer.kernel_size[0] - kernels.shape[-1]) // 2] * 4)
    layer.weight[: channels * outputs] *= NEAR_ZERO
    for channel in range(channels):
        layer.weight[channel * outputs : (channel + 1) * outputs, source + channel] += kernels
    if layer.bias is not None:
        layer.bias[: channels * outputs] = 0


@torch.no_grad()
def quieten(*layers: nn.Module) -> None:
    """Start the last layers of residuals near zero."""
    for layer in layers:
        for parameter in layer.parameters():
            parameter.mul_(NEAR_ZERO)
