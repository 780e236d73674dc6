"""Keeping where two images differ by LPIPS, small enough to lie beside every result."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spsr.images import SCALE, write_png
from spsr.resize import to_uint8


def write_map(path: Path | str, where: NDArray[np.float32]) -> None:
    """Write H×W local LPIPS as an 8-bit grey PNG of a quarter of the size, atomically.

    Each pixel is the mean of 4×4; in every map black is 0, and white is 1 or more.
    """
    height, width = (side // SCALE for side in where.shape)
    blocks = where[: height * SCALE, : width * SCALE].reshape(height, SCALE, width, SCALE)
    write_png(path, to_uint8(255 * blocks.mean(axis=(1, 3))))
