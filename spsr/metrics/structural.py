"""The structural similarity index on one channel (Wang et al., IEEE TIP 2004) and its automatic downsampling."""

import numpy as np
from numpy.typing import NDArray

from spsr.errors import InputError

WINDOW = 11
"""Side of the Gaussian window; no side of an image may be shorter."""

_GAUSSIAN = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * 1.5**2))
_GAUSSIAN /= _GAUSSIAN.sum()
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2


def ssim_index(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """The mean of the SSIM map of two H×W channels with values in 0..255.

    11×11 Gaussian window with sigma 1.5, population moments, K1 = 0.01, K2 = 0.03, L = 255; only windows that lie
    wholly inside the image count.

    Raises:
        InputError: a side is shorter than the window.
    """
    if min(first.shape) < WINDOW:
        raise InputError(
            f"SSIM: {first.shape[1]}x{first.shape[0]} pixels are left, fewer than its 11x11 window; use larger images"
        )
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    product = mean_x * mean_y
    squares = mean_x * mean_x + mean_y * mean_y
    covariance = _local_mean(x * y) - product
    variances = _local_mean(x * x + y * y) - squares
    similarity = (2 * product + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))
    return float(similarity.mean())


def downsampling_factor(shape: tuple[int, ...]) -> int:
    """f = max(1, round(min(H, W)/256)), halves up: how much `ssim.m` shrinks an image before it compares."""
    return max(1, int(min(shape) / 256 + 0.5))


def shrink(channel: NDArray[np.generic], factor: int) -> NDArray[np.float64]:
    """Box mean over factor×factor pixels, then every factor-th pixel; H×W → ceil(H/factor)×ceil(W/factor).

    As MATLAB's `imfilter(…, 'symmetric')` with an even or odd box: pixel i of the mean covers the pixels from
    i - floor((factor-1)/2) on, reflected half a sample beyond the edges. Not rounded.
    """
    before = (factor - 1) // 2
    padded = np.pad(channel.astype(np.float64), (before, factor - 1 - before), mode="symmetric")
    rows = sum(padded[i : i + channel.shape[0] : factor] for i in range(factor))
    total: NDArray[np.float64] = np.asarray(
        sum(np.asarray(rows)[:, i : i + channel.shape[1] : factor] for i in range(factor)), np.float64
    )
    return total / factor**2


def _local_mean(channel: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import correlate1d  # a training imports this module, and measures no structure

    edge = WINDOW // 2
    rows = correlate1d(channel, _GAUSSIAN, axis=0)[edge:-edge]
    result: NDArray[np.float64] = correlate1d(rows, _GAUSSIAN, axis=1)[:, edge:-edge]
    return result
