"""Memory of a training step, from the tensors that autograd keeps; counted on meta tensors, so nothing is used."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class SavedTensors:
    """Counts the bytes that graphs hold for their backward passes.

    Attributes:
        peak: the most that was held at one time, without parameters and inputs.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._held = 0
        self._users: dict[int, int] = {}

    def hold(self, tensor: Tensor) -> "_Held":
        """Note that a graph keeps `tensor`; storages that several nodes keep count once."""
        return _Held(self, tensor)

    def add(self, storage: int, size: int) -> None:
        """One more user of a storage."""
        self._users[storage] = self._users.get(storage, 0) + 1
        if self._users[storage] == 1:
            self._held += size
            self.peak = max(self.peak, self._held)

    def remove(self, storage: int, size: int) -> None:
        """One user less."""
        self._users[storage] -= 1
        if self._users[storage] == 0:
            self._held -= size
            del self._users[storage]


class _Held:
    def __init__(self, counter: SavedTensors, tensor: Tensor) -> None:
        self.tensor, self._counter = tensor, counter
        leaf = tensor.is_leaf and tensor.grad_fn is None and tensor.requires_grad
        storage = tensor.untyped_storage()
        self._key, self._size = storage._cdata, 0 if leaf else storage.nbytes()
        counter.add(self._key, self._size)

    def __del__(self) -> None:
        self._counter.remove(self._key, self._size)


@contextmanager
def counting_saved_tensors() -> Iterator[SavedTensors]:
    """Count what the graphs that are built inside the block keep."""
    counter = SavedTensors()
    with torch.autograd.graph.saved_tensors_hooks(counter.hold, lambda held: held.tensor):
        yield counter
