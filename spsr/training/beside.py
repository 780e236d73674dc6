"""Work beside the main stream of a GPU: a branch of the graph where steps are captured; elsewhere done in order."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Beside:
    """A stream of its own on a GPU.

    What is allocated there must be kept until `join`. It is used again only after the next `fork`, which waits for all
    that was asked of the main stream before. So nothing with a gradient belongs here, such as what discriminators say
    of the originals: autograd would go back on this stream after `join`, and use memory again that the main stream
    still reads.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @contextmanager
    def fork(self) -> Iterator[None]:
        """Do what this block asks for beside what is asked after it; it sees all that was asked before."""
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield

    def join(self) -> None:
        """Let what is asked from here on see what was done beside."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)
