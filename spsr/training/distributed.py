"""Several processes that train one model together: the few collective operations that this needs.

Without torchrun there is one process and every function here is the identity. Under torchrun each process takes an
equal share of every batch. Gradients are averaged, and the relativistic means run over the global batch, so that
losses and updates are those of one process with the same global batch. Batch normalisation uses the statistics of
each process's own replicas, as the official code does on several GPUs.
"""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Index of this process; 0 writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def start(device: torch.device) -> None:
    """Join the processes that torchrun started; nothing without torchrun or with one process."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("cuda:nccl,cpu:gloo" if device.type == "cuda" else "gloo")


def barrier() -> None:
    """Wait for all processes."""
    if world() > 1:
        dist.all_reduce(torch.zeros(1))


def any_of(flag: int) -> int:
    """The largest `flag` of all processes; on the host, so the devices keep running."""
    if world() == 1:
        return flag
    value = torch.tensor([flag])
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return int(value)


def mean_of(values: Tensor) -> Tensor:
    """Mean of equally shaped `values` over all processes, without a gradient."""
    if world() > 1:
        values = values.clone()
        dist.all_reduce(values)
        values /= world()
    return values


class _Mean(torch.autograd.Function):
    """Mean over processes whose gradient is that of the mean of all processes' losses."""

    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        return mean_of(local)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return mean_of(gradient.contiguous())


def global_mean(x: Tensor) -> Tensor:
    """Mean of `x` over its elements and over all processes (equal shares), with a gradient to every process.

    With `average_gradients` after the backward pass, the parameters' gradients are those of the mean loss over the
    global batch.
    """
    mean = x.mean()
    return _Mean.apply(mean) if world() > 1 else mean


def average_gradients(gradients: Sequence[Tensor]) -> None:
    """Replace the gradients by their means over all processes, in one message; call it before the optimiser."""
    if world() == 1 or not gradients:
        return
    flat = mean_of(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
