"""Bicubic enlargement of tensors, as `spsr.resize.imresize` does it with images."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from spsr.resize import imresize


def enlarge(lr: Tensor, factor: int = 4) -> Tensor:
    """N×C×h×w to N×C×factor·h×factor·w by MATLAB's bicubic interpolation; neither rounded nor clipped."""
    rows, columns = (_matrix(side, factor, lr.dtype, lr.device) for side in lr.shape[-2:])
    return rows @ lr @ columns.T


@lru_cache(maxsize=16)
def _matrix(length: int, factor: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The factor·length × length matrix that enlarges one axis."""
    weights = imresize(np.eye(length)[:, None, :], factor)[:, 0]
    return torch.from_numpy(weights).to(device, dtype)
