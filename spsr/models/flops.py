"""FLOPs of a network, counted by PyTorch on meta tensors: no weights are touched and no memory is used."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def forward_flops(model: nn.Module, input_shape: Sequence[int]) -> int:
    """FLOPs (2 per multiply-add, convolutions and linear layers) of one forward pass of an input `input_shape`."""
    return _count(model, input_shape, backward=False, input_gradient=False)


def forward_backward_flops(model: nn.Module, input_shape: Sequence[int], input_gradient: bool = False) -> int:
    """FLOPs of a forward and a backward pass.

    Args:
        model: parameters that do not require a gradient cost none, so a frozen network counts as one.
        input_shape: of the input, with the batch.
        input_gradient: also count the gradient with respect to the input, as losses on network features need it.
    """
    return _count(model, input_shape, backward=True, input_gradient=input_gradient)


def _count(model: nn.Module, input_shape: Sequence[int], *, backward: bool, input_gradient: bool) -> int:
    twin = copy.deepcopy(model).to("meta")
    image = torch.empty(*input_shape, device="meta", requires_grad=input_gradient)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
        output: Any = twin(image)
        if backward:
            outputs: Sequence[Tensor] = [output] if isinstance(output, Tensor) else list(output)
            torch.autograd.backward([tensor.sum() for tensor in outputs])
    return counter.get_total_flops()
