"""The luma channel of ITU-R BT.601 in its 'studio' range, as MATLAB's `rgb2ycbcr` gives it."""

import numpy as np
from numpy.typing import NDArray


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Y = round(16 + (65.481 R + 128.553 G + 24.966 B)/255), halves up; uint8 H×W×3 → uint8 H×W, 16..235.

    Whole-number arithmetic, so that exact halves are rounded alike on every machine.
    """
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    weighted = 65481 * red + 128553 * green + 24966 * blue
    return (16 + (weighted + 127500) // 255000).astype(np.uint8)


def luma_unrounded(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The same Y without the rounding to 8 bits; uint8 H×W×3 → float64 H×W."""
    result: NDArray[np.float64] = 16 + (rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966])) / 255
    return result
