"""Weights in bfloat16 for the time of a step, in place of the casts that autocast makes anew in every pass.

The networks keep their weights in fp32, for optimiser, checkpoints and evaluation. A step begins with rounding them to
working copies, which its layers then hold: the bits that autocast would round them to. Layers that autocast leaves in
fp32 keep their own weights: normalisations, and convolutions that make images.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from spsr.config import Compute

Place = tuple[dict[str, nn.Parameter | None], str, nn.Parameter]


def rounded_by_autocast(network: nn.Module) -> list[Place]:
    """Where a network holds weights that autocast rounds in every pass, and these weights."""
    layers = [layer for layer in network.modules() if type(layer) in (nn.Conv2d, nn.Linear)]
    return [
        (layer._parameters, name, parameter)
        for layer in layers
        for name, parameter in layer._parameters.items()
        if parameter is not None and parameter.dtype == torch.float32
    ]


def rounded(network: nn.Module, compute: Compute) -> nn.Module:
    """A frozen network whose weights are rounded once and for all, if the preset's precision is bf16."""
    for held, name, weight in rounded_by_autocast(network) if compute.precision == "bf16" else ():
        held[name] = nn.Parameter(weight.detach().bfloat16(), requires_grad=False)
    return network


class WorkingWeights:
    """Copies in bfloat16 of the weights of networks.

    Attributes:
        copies: the copy of each weight that has one.
    """

    def __init__(self, *networks: nn.Module) -> None:
        self._places = [place for network in networks for place in rounded_by_autocast(network)]
        weights = dict.fromkeys(weight for _, _, weight in self._places)
        self.copies = {weight: nn.Parameter(weight.detach().bfloat16()) for weight in weights}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the layers hold the copies, which are the weights of now."""
        if self.copies:
            with torch.no_grad():
                torch._foreach_copy_(list(self.copies.values()), list(self.copies))
        for held, name, weight in self._places:
            copy = self.copies[weight]
            if copy.requires_grad != weight.requires_grad:
                copy.requires_grad_(weight.requires_grad)
            held[name] = copy
        try:
            yield
        finally:
            for held, name, weight in self._places:
                held[name] = weight


def working_weights(network: nn.Module, compute: Compute) -> WorkingWeights:
    """Those of a network that is trained in the preset's precision.

    None in fp32, nor for networks that are compiled: the compiler makes the casts part of other kernels.
    """
    return WorkingWeights(network) if compute.precision == "bf16" and not compute.compile else WorkingWeights()
