"""What is set once in a training process before its networks are built."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from spsr.config.settings import Compute
from spsr.errors import naming
from spsr.models.device import chosen
from spsr.training import distributed
from spsr.training.seeding import seed_all


def set_up(compute: Compute, seed: int) -> torch.device:
    """Fix threads, kernels and random generators, join other processes, and choose the device.

    Call it before CUDA is used and before any network is built: initial weights then depend on `seed` alone.

    Returns:
        The preset's device: by default the GPU of this process's `LOCAL_RANK`, or the CPU where there is no GPU.

    Raises:
        InputError: there is no such GPU.
    """
    if compute.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if compute.compile:
        torch.use_deterministic_algorithms(compute.deterministic)
    else:  # The same without word to the compiler, whose import takes as long as torch's.
        torch.set_deterministic_debug_mode("error" if compute.deterministic else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_num_threads(compute.threads)
    index = int(os.environ.get("LOCAL_RANK", "0"))
    with naming(f"process {index} of this machine") if index else nullcontext():
        device = chosen(compute.device, index)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.deterministic = compute.deterministic
        torch.backends.cudnn.benchmark = not compute.deterministic
        torch.backends.cuda.matmul.allow_tf32 = compute.tf32
        torch.backends.cudnn.allow_tf32 = compute.tf32
    distributed.start(device)
    seed_all(seed)
    return device


def autocast(device: torch.device, compute: Compute) -> AbstractContextManager[object]:
    """Within it, matrix products and convolutions are in the precision that the preset chooses."""
    return torch.autocast(device.type, torch.bfloat16) if compute.precision == "bf16" else nullcontext()


def memory_format(compute: Compute) -> torch.memory_format:
    """How images lie in memory: the layout that the preset chooses."""
    return torch.channels_last if compute.channels_last else torch.contiguous_format


def placed(network: nn.Module, device: torch.device | str, compute: Compute) -> nn.Module:
    """The network on a device, in the memory layout that the preset chooses."""
    return network.to(device).to(memory_format=memory_format(compute))  # type: ignore[call-overload]
