"""The optimiser of every network: Adam, which keeps all that a step reads on the device of the parameters."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spsr.training import distributed
from spsr.training.working_weights import WorkingWeights

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class _Moving:
    """A parameter, its moments and the number of its steps; `gradient` is in fp32 if that of its working copy is not.

    `working` is what the layers see in a step and what gets the gradient: the parameter itself, or its copy in bf16.
    """

    parameter: nn.Parameter
    working: nn.Parameter
    gradient: Tensor | None
    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor


@dataclass(frozen=True)
class _Group:
    moving: list[_Moving]
    factor: float
    rate: Tensor


class Adam:
    """Adam as paper and official code set it: betas 0.9 and 0.999, eps 1e-8, no weight decay.

    One kernel for all tensors (PyTorch's fused Adam) updates them, in the order of operations of
    `torch.optim.Adam(fused=True)`. Learning rate and numbers of steps are tensors on the device, so that a step can be
    captured. Weights with working copies are updated in fp32, from gradients in bf16.

    Args:
        groups: parameters and the factor of each group on the learning rate.
        working: the copies in bf16 that the layers of a step see; see `WorkingWeights`.
    """

    def __init__(self, groups: Iterable[tuple[list[nn.Parameter], float]], working: WorkingWeights) -> None:
        self._working = working
        self._groups = [_group(parameters, factor, working.copies) for parameters, factor in groups]
        self._moving = [moving for group in self._groups for moving in group.moving]

    def working(self) -> AbstractContextManager[None]:
        """Within it the layers hold their working copies, as they are after the last step."""
        return self._working.in_place()

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of every group, times the group's factor, without waiting."""
        for group in self._groups:
            group.rate.fill_(learning_rate * group.factor)

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for moving in self._moving:
            moving.working.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters that have a gradient; of several processes, down the mean of theirs."""
        groups = [[each for each in group.moving if each.working.grad is not None] for group in self._groups]
        gradients = [_gradients(moving) for moving in groups]
        distributed.average_gradients([gradient for group in gradients for gradient in group])
        for moving, found, group in zip(groups, gradients, self._groups, strict=True):
            if not moving:
                continue
            steps = [each.step for each in moving]
            torch._foreach_add_(steps, 1)
            torch._fused_adam_(
                [each.parameter for each in moving],
                found,
                [each.exp_avg for each in moving],
                [each.exp_avg_sq for each in moving],
                [],
                steps,
                lr=group.rate,
                beta1=BETA1,
                beta2=BETA2,
                weight_decay=0.0,
                eps=EPSILON,
                amsgrad=False,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """Moments and numbers of steps, by number of the parameter, under the names of `torch.optim.Adam`."""
        return {"state": {number: _state(moving) for number, moving in enumerate(self._moving)}}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take moments and numbers of steps, ours or those of a `torch.optim.Adam`, which lists what it has moved."""
        for number, moving in enumerate(self._moving):
            theirs = state_dict["state"].get(number)
            for name, tensor in _state(moving).items():
                tensor.zero_() if theirs is None else tensor.copy_(theirs[name])


def _group(parameters: list[nn.Parameter], factor: float, copies: Mapping[nn.Parameter, nn.Parameter]) -> _Group:
    moving = []
    for parameter in parameters:
        moments = (torch.zeros_like(parameter, requires_grad=False) for _ in range(2))
        step = torch.zeros((), device=parameter.device)
        copy = copies.get(parameter)
        gradient = None if copy is None else torch.empty_like(parameter, requires_grad=False)
        moving.append(_Moving(parameter, parameter if copy is None else copy, gradient, step, *moments))
    device = parameters[0].device if parameters else torch.device("cpu")
    # The kernel of a GPU reads a rate in fp32; that of a CPU takes the number itself.
    kind = torch.float32 if device.type == "cuda" else torch.float64
    return _Group(moving, factor, torch.full((), 1e-3, device=device, dtype=kind))


def _gradients(moving: list[_Moving]) -> list[Tensor]:
    """The gradients in the precision of the parameters."""
    found = [(each.working.grad, each.gradient) for each in moving]
    narrow = [(grad, wide) for grad, wide in found if grad is not None and wide is not None]
    if narrow:
        torch._foreach_copy_([wide for _, wide in narrow], [grad for grad, _ in narrow])
    return [gradient for grad, wide in found if (gradient := grad if wide is None else wide) is not None]


def _state(moving: _Moving) -> dict[str, Tensor]:
    return {"step": moving.step, "exp_avg": moving.exp_avg, "exp_avg_sq": moving.exp_avg_sq}


def adam(
    parameters: Iterable[nn.Parameter],
    faster: Iterable[nn.Parameter] = (),
    factor: float = 1.0,
    working: WorkingWeights | None = None,
) -> Adam:
    """Adam for parameters, of which those among `faster` have `factor` times the learning rate."""
    parameters, fast = list(parameters), frozenset(faster)
    groups = [([parameter for parameter in parameters if parameter not in fast], 1.0)]
    if fast:
        groups.append(([parameter for parameter in parameters if parameter in fast], factor))
    return Adam(groups, working or WorkingWeights())
