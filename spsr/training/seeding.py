"""Every random number of a training: a function of the seed and of what it is for, not of what was drawn before."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray


class Stream(IntEnum):
    """What is drawn. The numbers are part of every seed's result: add to them, never change them.

    Attributes:
        ORDER: the order of the tiles in an epoch.
        PATCHES: place and turns of the patches of a step.
        STEP: whatever a step draws from the global generators of Python, NumPy and torch.
        PRETEXT: anchors, grids and permutations of a step, or of a test batch.
        DISTORTION: noise of a step of the naturalness discriminator, by process.
        HELD_OUT_DISTORTION: noise on its validation patches.
    """

    ORDER = 1
    PATCHES = 2
    STEP = 3
    PRETEXT = 4
    DISTORTION = 5
    HELD_OUT_DISTORTION = 6


def random_words(count: int, seed: int, stream: Stream, *key: int) -> NDArray[np.uint64]:
    """`count` random 64-bit words that depend on the arguments alone (NumPy keeps this function's values for ever).

    Args:
        key: which part of the stream: an epoch, a step.
    """
    words = np.random.SeedSequence((seed, int(stream), *key)).generate_state(count, np.uint64)
    return words.astype(np.uint64, copy=False)


def random_generator(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """A generator whose numbers depend on the arguments alone; see `random_words`."""
    return np.random.Generator(np.random.PCG64(random_words(2, seed, stream, *key).tolist()))


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed % 2**63)


def seed_step(seed: int, step: int) -> None:
    """Make random numbers drawn within a step a function of (seed, step): there is no generator state to keep."""
    seed_all(int(random_words(1, seed, Stream.STEP, step)[0]))


@contextmanager
def seeded(seed: int, part: str) -> Iterator[None]:
    """Build a network inside this block: its random weights are a function of `seed` and `part` alone.

    Methods that share a part (the generator, the discriminator of the image) therefore start from the same one.
    """
    digest = hashlib.sha256(f"{part}/{seed}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(int.from_bytes(digest[:8], "big", signed=False) >> 1)
        yield
