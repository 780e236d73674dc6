"""Numbers from a formula: the weights and images under which the reference outputs in `golden/` were made.

Integer arithmetic only, so that any machine gets the same bits.
"""

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

GOLDEN_RATIO = 0x9E3779B1
MASK = np.uint64(0xFFFFFFFF)
PARTS = ("weight", "bias")
NOT_FILLED = ("get_g_nopadding.weight_h", "get_g_nopadding.weight_v")


def fmix32(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The final mix of MurmurHash3, modulo 2^32."""
    h = values.astype(np.uint64) & MASK
    h ^= h >> np.uint64(16)
    h = h * np.uint64(0x85EBCA6B) & MASK
    h ^= h >> np.uint64(13)
    h = h * np.uint64(0xC2B2AE35) & MASK
    return h ^ (h >> np.uint64(16))


def crc(text: str) -> int:
    return zlib.crc32(text.encode())


def hashes(key: str, count: int) -> NDArray[np.uint64]:
    k = np.arange(count, dtype=np.uint64)
    return fmix32(k * np.uint64(GOLDEN_RATIO) + np.uint64(crc(key)))


def uniform(key: str, count: int) -> NDArray[np.float64]:
    """`count` values in [-1, 1) that depend on `key` only."""
    return 2 * hashes(key, count).astype(np.float64) / 2**32 - 1


def filled(key: str, shape: Sequence[int], gain: float = 1.0) -> Tensor:
    """The tensor that the official code's state dict has under `key`."""
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    values = uniform(key, math.prod(shape))
    if len(shape) >= 2:
        values *= gain * math.sqrt(3 / math.prod(shape[1:]))
    elif key.endswith(".bias"):
        values *= 0.05
    elif key.endswith("running_mean"):
        values *= 0.1
    elif key.endswith("running_var"):
        values = 1 + 0.5 * np.abs(values)
    else:
        values = 1 + 0.1 * values
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def fill(network: nn.Module, names: Mapping[str, str] | None = None, gain: float = 1.0) -> nn.Module:
    """Fill a network in place.

    Args:
        network: any.
        names: its state dict keys to the official ones (`Recognised.keys` of its layout); None when they are equal.
        gain: factor on the weights.
    """
    state = network.state_dict()
    network.load_state_dict(
        {key: filled(names[key] if names else key, value.shape, gain) for key, value in state.items()}
    )
    return network


def spsr_names(blocks: int = 23) -> dict[str, str]:
    """The state dict keys of our SPSR generator to those of the official code."""
    from spsr.models.spsr import official_layers

    return {
        f"{ours}.{part}": f"{theirs}.{part}"
        for ours, theirs in official_layers({"blocks": blocks}).items()
        for part in PARTS
    }


def image_u8(height: int, width: int, tag: str) -> NDArray[np.uint8]:
    """The reference image `H x W x 3`, RGB."""
    i, j, c = np.ogrid[:height, :width, :3]
    triangle = np.abs((5 * i + 3 * j + 60 * c + crc(tag) % 510) % 510 - 255)
    noise = (hashes(tag, height * width * 3) & np.uint64(255)).astype(np.int64).reshape(height, width, 3)
    return ((3 * triangle + noise) // 4).astype(np.uint8)


def image(height: int, width: int, tag: str) -> Tensor:
    """The reference image as a network takes it, `1 x 3 x H x W` in [0, 1]."""
    return torch.from_numpy(image_u8(height, width, tag)).permute(2, 0, 1)[None].float() / 255
