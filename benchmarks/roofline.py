"""What a piece of work asks of a device: operators, the bytes that they move, and kernels.

Bytes are those of every operator's tensors, in and out, as if none stayed in a cache: an upper bound.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spsr.models.device import wait_for

Numbers = dict[str, float]


class Operators(TorchDispatchMode):
    """Counts the operators that are called inside it, and the bytes of what they read and write.

    A view, and memory that nobody has written to yet, is no operator.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count, self.bytes = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        returns = [each.alias_info for each in func._schema.returns]
        view = any(alias is not None and not alias.is_write for alias in returns)
        if not view and not func._schema.name.startswith(("aten::empty", "aten::new_empty")):
            self.count += 1
            self.bytes += _bytes(tree_leaves((args, kwargs))) + _bytes(tree_leaves(result))
        return result


def _bytes(leaves: Iterable[Any]) -> int:
    return sum(each.numel() * each.element_size() for each in leaves if isinstance(each, Tensor))


def asked_of(device: torch.device, work: Callable[[], object]) -> Numbers:
    """`operators` and `bytes` of one run of the work as it is without a graph; on a GPU also its `kernels`."""
    with Operators() as seen:
        work()
    numbers: Numbers = {"operators": seen.count, "bytes": seen.bytes}
    if device.type == "cuda":
        numbers["kernels"] = kernels(device, work)
    return numbers


def kernels(device: torch.device, work: Callable[[], object]) -> int:
    """Kernels and copies that a GPU runs for one run of the work."""
    wait_for(device)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        work()
        wait_for(device)
    return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in profile.events())


def attained(seconds: float, flops: float, moved: float, product: float) -> Numbers:
    """Where a step stands below the roof.

    Args:
        seconds, flops, moved: of a step; `moved` in bytes.
        product: TFLOP/s that the device reaches in a matrix product in the same arithmetic.
    """
    tflops = flops / seconds / 1e12
    return {"tflops": tflops, "share_of_product": tflops / product, "gb_per_s": moved / seconds / 1e9}
