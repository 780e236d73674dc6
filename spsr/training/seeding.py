"""Fresh weights that depend on the run's seed and on the network's part in it, and on nothing built before."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, part: str) -> Iterator[None]:
    """Build a network inside this block: its random weights are a function of `seed` and `part` alone.

    Methods that share a part (the generator, the discriminator of the image) therefore start from the same one.
    """
    digest = hashlib.sha256(f"{part}/{seed}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(int.from_bytes(digest[:8], "big", signed=False) >> 1)
        yield
