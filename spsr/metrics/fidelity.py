"""PSNR and SSIM as the paper's tables have them, from whole uint8 RGB images."""

import math

import numpy as np
from numpy.typing import NDArray

from spsr.errors import InputError
from spsr.metrics.luma import luma
from spsr.metrics.structural import WINDOW, downsampling_factor, shrink, ssim_index

SHAVE = 4
"""Pixels removed on every side before PSNR and SSIM: the scale factor."""

RGB = NDArray[np.uint8]


def psnr(sr: RGB, hr: RGB) -> float:
    """Peak signal-to-noise ratio in dB on Y; infinite for equal images.

    Args:
        sr, hr: uint8 H×W×3, RGB, whole: 4 pixels are shaved off here. Y is rounded to 8 bits; the peak is 255.

    Raises:
        InputError: the shapes differ, or are not H×W×3, or nothing is left after shaving, or not uint8.
    """
    check_pair(sr, hr, smallest=1)
    return psnr_of_channels(_shaved_luma(sr), _shaved_luma(hr))


def ssim(sr: RGB, hr: RGB) -> float:
    """Structural similarity on Y with the automatic downsampling of `ssim.m`, as in the paper; 1 for equal images.

    Args:
        sr, hr: uint8 H×W×3, RGB, whole: 4 pixels are shaved off here, before the factor is chosen.

    Raises:
        InputError: the shapes differ, or are not H×W×3, or are too small for the window, or not uint8.
    """
    return ssim_both(sr, hr)[0]


def ssim_standard(sr: RGB, hr: RGB) -> float:
    """Structural similarity on Y without downsampling; otherwise as `ssim`."""
    check_pair(sr, hr, smallest=WINDOW)
    return ssim_index(_shaved_luma(sr), _shaved_luma(hr))


def ssim_both(sr: RGB, hr: RGB) -> tuple[float, float]:
    """`ssim` and `ssim_standard` of one pair; computed once where the downsampling factor is 1."""
    check_pair(sr, hr, smallest=WINDOW)
    x, y = _shaved_luma(sr), _shaved_luma(hr)
    standard = ssim_index(x, y)
    factor = downsampling_factor(x.shape)
    return (standard if factor == 1 else ssim_index(shrink(x, factor), shrink(y, factor))), standard


def psnr_of_channels(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """10·log10(255²/MSE) over all elements of two arrays of one shape, values in 0..255."""
    difference = first.astype(np.float64) - second.astype(np.float64)
    mean_square = float(np.mean(difference * difference))
    return math.inf if mean_square == 0 else 10 * math.log10(255**2 / mean_square)


def shave(image: NDArray[np.uint8], border: int = SHAVE) -> NDArray[np.uint8]:
    """Remove `border` pixels on every side of an H×W or H×W×C image."""
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def check_pair(sr: RGB, hr: RGB, smallest: int = 1) -> None:
    """InputError unless both are uint8 H×W×3 of one shape with `smallest` pixels a side left after shaving."""
    for name, image in (("SR", sr), ("HR", hr)):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"{name} image: {image.dtype} of shape {image.shape}; give uint8 RGB of shape (H, W, 3)")
    if sr.shape != hr.shape:
        raise InputError(
            f"SR and HR images: {size_text(sr)} and {size_text(hr)} pixels; compare images of one size "
            f"(HR cut to multiples of 4)"
        )
    if min(sr.shape[:2]) < smallest + 2 * SHAVE:
        raise InputError(
            f"SR and HR images: {size_text(sr)} pixels are too few, the smallest side is {smallest + 2 * SHAVE}; "
            f"use larger images"
        )


def size_text(image: NDArray[np.generic]) -> str:
    """The size of an image as people write it, 512x384 for 512 columns and 384 rows."""
    return f"{image.shape[1]}x{image.shape[0]}"


def _shaved_luma(image: RGB) -> NDArray[np.uint8]:
    return luma(shave(image))
