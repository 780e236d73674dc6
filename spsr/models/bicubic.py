"""Bicubic enlargement of tensors, as `spsr.resize.imresize` does it with images."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from spsr.images import SCALE
from spsr.resize import imresize


def enlarge(lr: Tensor) -> Tensor:
    """N×C×h×w to N×C×4h×4w by MATLAB's bicubic interpolation; neither rounded nor clipped."""
    rows, columns = (_matrix(side, lr.dtype, lr.device) for side in lr.shape[-2:])
    return rows @ lr @ columns.T


@lru_cache(maxsize=16)
def _matrix(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The 4·length × length matrix that enlarges one axis."""
    weights = imresize(np.eye(length)[:, None, :], SCALE)[:, 0]
    return torch.from_numpy(weights).to(device, dtype)
