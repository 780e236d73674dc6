"""What makes images look unnatural: noise in the high frequencies, blending with interpolation.

Soh et al. 2019, Section 3.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spsr.models.bicubic import enlarge

DCT_BLOCK = 8


@lru_cache(maxsize=1)
def _cosines() -> NDArray[np.float64]:
    """The orthonormal 8x8 matrix of the discrete cosine transform (type II)."""
    frequency, position = np.mgrid[0:DCT_BLOCK, 0:DCT_BLOCK]
    matrix = np.cos(np.pi * (2 * position + 1) * frequency / (2 * DCT_BLOCK)) * np.sqrt(2 / DCT_BLOCK)
    matrix[0] /= np.sqrt(2)
    return matrix


@lru_cache(maxsize=4)
def _basis(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.from_numpy(_cosines()).to(device, dtype)


def draw_coefficients(images: int, height: int, width: int, random: np.random.Generator) -> Tensor:
    """Normal coefficients of the highest frequencies of every 8x8 block of N images, N×3×H/8×W/8×8×8.

    Those are the last row and the last column of a block's cosine transform; all others are zero.
    """
    blocks = height // DCT_BLOCK, width // DCT_BLOCK
    drawn = random.standard_normal((images, 3, *blocks, DCT_BLOCK, DCT_BLOCK), dtype=np.float32)
    drawn[..., :-1, :-1] = 0
    return torch.from_numpy(drawn)


def dct_noise(images: Tensor, sigma: Tensor | float, coefficients: Tensor) -> Tensor:
    """Add noise of standard deviation `sigma`, given by the coefficients of its cosine transform.

    Args:
        images: N×3×H×W, sides multiples of 8.
        coefficients: N×3×H/8×W/8×8×8, see `draw_coefficients`.
    """
    basis = _basis(images.dtype, images.device)
    blocks = basis.T @ coefficients @ basis
    return images + sigma * blocks.permute(0, 1, 2, 4, 3, 5).reshape(images.shape)


def blend(images: Tensor, lr: Tensor, alpha: Tensor | float) -> Tensor:
    """`alpha` of the originals and the rest of their bicubic interpolations from LR patches N×3×h×w."""
    return alpha * images + (1 - alpha) * enlarge(lr)
