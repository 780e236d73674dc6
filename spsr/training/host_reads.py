"""Where work waits for the host: it reads a value back, sends one, or makes a shape that depends on values."""

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_WAITING = frozenset(
    {
        "_local_scalar_dense", "is_nonzero", "equal", "lift_fresh", "nonzero", "masked_select", "bincount",
        "_unique", "_unique2", "unique_dim", "unique_consecutive",
    }
)  # fmt: skip
_INDEXING = frozenset({"index", "index_put", "index_put_", "_index_put_impl_"})
_NOT_THE_CALLER = (Path(torch.__file__).parent, Path(__file__))


class HostReads(TorchDispatchMode):
    """Notes the first operation in its block for which a GPU would wait; it finds that on any device.

    Attributes:
        place: file, line and function that called for it, and its name; none if nothing waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if self.place is None and _waits(func.overloadpacket.__name__, args):
            self.place = f"{_caller()} ({func})"
        return func(*args, **(kwargs or {}))


def _waits(operation: str, args: Sequence[Any]) -> bool:
    by_mask = operation in _INDEXING and any(
        isinstance(each, Tensor) and each.dtype in (torch.bool, torch.uint8) for each in args[1]
    )
    return by_mask or operation in _WAITING


def _caller() -> str:
    """The innermost call outside PyTorch."""
    frames = traceback.extract_stack()
    outside = (f for f in frames[::-1] if not any(Path(f.filename).is_relative_to(own) for own in _NOT_THE_CALLER))
    frame = next(outside, frames[0])
    return f"{frame.filename}:{frame.lineno}, in {frame.name}"
