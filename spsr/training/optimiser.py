"""The optimiser of every network."""

from collections.abc import Iterable
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from spsr.training import distributed


class Adam(torch.optim.Adam):
    """PyTorch's Adam without the wrappers that hide its methods from `torch.compile`, which compiles none of them here.

    Each wrapper imports torch._dynamo, which takes as long as all else that a training imports.
    """

    add_param_group = unwrap(Optimizer.add_param_group)
    zero_grad = unwrap(Optimizer.zero_grad)
    state_dict = unwrap(Optimizer.state_dict)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the moments and counts of a state; the groups' settings stay, whatever device the state is from."""
        ours, theirs = self.state_dict()["param_groups"], state_dict["param_groups"]
        groups = [group | {"params": other["params"]} for group, other in zip(ours, theirs, strict=True)]
        _load_state_dict(self, state_dict | {"param_groups": groups})


_load_state_dict = unwrap(Optimizer.load_state_dict)


def adam(parameters: Iterable[nn.Parameter], faster: Iterable[nn.Parameter] = (), factor: float = 1.0) -> Adam:
    """Adam as paper and official code set it: betas 0.9 and 0.999, eps 1e-8, no weight decay.

    Parameters among `faster` are a group of their own, whose `factor` on the learning rate `set_learning_rate` heeds.
    One fused kernel updates all of them. Where several processes train together, gradients are averaged over them
    before each step.
    """
    parameters = list(parameters)
    fast = frozenset(faster)
    groups: list[dict[str, Any]] = [{"params": [parameter for parameter in parameters if parameter not in fast]}]
    if fast:
        groups.append({"params": [parameter for parameter in parameters if parameter in fast], "factor": factor})
    capturable = any(parameter.is_cuda for parameter in parameters)
    optimiser = Adam(groups, betas=(0.9, 0.999), eps=1e-8, fused=True, capturable=capturable)
    optimiser.register_step_pre_hook(lambda *_: distributed.average_gradients(parameters))
    return optimiser


def set_learning_rate(optimiser: Optimizer, learning_rate: float) -> None:
    """Set the learning rate of every group, times the group's factor.

    On a GPU it is a number there, which the steps of a graph read anew; it is set without waiting.
    """
    for group in optimiser.param_groups:
        rate = learning_rate * group.get("factor", 1.0)
        if not group.get("capturable"):
            group["lr"] = rate
        elif isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = torch.full((), rate, device=group["params"][0].device)
