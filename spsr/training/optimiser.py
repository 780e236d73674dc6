"""The optimiser of every network."""

from collections.abc import Iterable

from torch import nn
from torch.optim import Adam

from spsr.training import distributed


def adam(parameters: Iterable[nn.Parameter]) -> Adam:
    """Adam as paper and official code set it: betas 0.9 and 0.999, eps 1e-8, no weight decay.

    Where several processes train together, gradients are averaged over them before each step.
    """
    parameters = list(parameters)
    optimiser = Adam(parameters, betas=(0.9, 0.999), eps=1e-8)
    optimiser.register_step_pre_hook(lambda *_: distributed.average_gradients(parameters))
    return optimiser
