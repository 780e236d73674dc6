"""Whether one seed gives one result on this machine: the same steps twice, compared module by module."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from spsr.training.debug.autopsy import module_names, tensors_in
from spsr.training.seeding import seed_step
from spsr.training.task import Task


def verify_determinism(make_task: Callable[[], Task], seed: int, steps: int) -> str | None:
    """Build a task twice and take the same steps with each.

    Returns:
        None if every module's output and the final state are equal to the bit; else where they first differ.
    """
    first, second = (_trace(make_task(), seed, steps) for _ in range(2))
    for one, other in zip(first, second, strict=False):
        if one != other:
            return one[0] if one[0] == other[0] else f"{one[0]} (the other time {other[0]})"
    return None if len(first) == len(second) else f"the number of modules that ran: {len(first)} and {len(second)}"


def _trace(task: Task, seed: int, steps: int) -> list[tuple[str, str]]:
    """(what, digest) in the order of execution."""
    trace: list[tuple[str, str]] = []
    for step in range(steps):
        seed_step(seed, step)
        with _recording(task, step, trace):
            losses = task.step(step)
        trace += [(f"step {step}: loss {name}", _digest(value)) for name, value in losses.items()]
    trace += [(f"after step {steps - 1}: {name}", _digest(value)) for name, value in tensors_in(task.state_dict())]
    return trace


@contextmanager
def _recording(task: Task, step: int, trace: list[tuple[str, str]]) -> Iterator[None]:
    names = module_names(task)

    def forward(module: nn.Module, inputs: Any, output: Any) -> None:
        name = f"step {step}: {names.get(id(module), '?')} ({type(module).__name__})"
        trace.extend((name, _digest(tensor)) for _, tensor in tensors_in(output))

    with hooks.register_module_forward_hook(forward):
        yield


def _digest(tensor: Tensor) -> str:
    plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.blake2b(plain.numpy().tobytes(), digest_size=16).hexdigest()
