"""Bicubic resizing as MATLAB's `imresize` does it, in double precision.

The kernel is Keys' cubic with a = -1/2 (R. Keys, "Cubic convolution interpolation for digital image
processing", 1981). When an image gets smaller the kernel is stretched by the factor (anti-aliasing). The centre
of output pixel x (counted from 1) lies at u = x/s + (1 - 1/s)/2 in the input, and the weights of one output
pixel are normalised to sum to 1. For the factors 1/4 and 4 every weight is a dyadic fraction, so 8-bit input
gives exact results.
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from spsr.errors import InputError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Border = Literal["mirror", "replicate"]


def imresize(image: NDArray[np.generic], scale: float, border: Border = "mirror") -> NDArray[np.float64]:
    """Resize `image` by `scale`; neither rounded nor clipped, on the value range of the input.

    Args:
        image: H×W or H×W×C, uint8 or any real type.
        scale: the factor, > 0; the result has ceil(H·scale) × ceil(W·scale) pixels.
        border: what lies outside the image: `mirror` reflects it half a sample beyond the edge (the paper's
            images), `replicate` repeats the edge pixel (the archives of the benchmarks made with old MATLAB).

    Raises:
        InputError: the image is empty or not two- or three-dimensional, or `scale` is not a positive number.
    """
    _check(image, scale)
    rows, columns = _weights_of(image, scale, border)
    return _along_columns(columns, _along_rows(rows, image))


def imresize_stepwise_uint8(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Resize 8-bit `image` (H×W or H×W×C) as the ×4 benchmark archives (`img_NNN_SRF_4_LR.png`) were made.

    The border is replicated and the image is rounded to 8 bits after the rows and again after the columns.
    """
    if image.dtype != np.uint8:
        raise InputError(f"image: {image.dtype} values where 8-bit ones are needed; convert it to uint8")
    _check(image, scale)
    rows, columns = _weights_of(image, scale, "replicate")
    return to_uint8(_along_columns(columns, to_uint8(_along_rows(rows, image))))


def to_uint8(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Round to the nearest integer, halves up (as MATLAB does), and clip to 0..255."""
    return np.clip(np.floor(np.asarray(values, np.float64) + 0.5), 0, 255).astype(np.uint8)


def _check(image: NDArray[np.generic], scale: float) -> None:
    if image.ndim not in (2, 3) or image.size == 0:
        raise InputError(f"image: its shape is {image.shape}; give a non-empty array of shape (H, W) or (H, W, C)")
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"scale: {scale} is not a positive number; give a factor such as 4 or 0.25")


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@lru_cache(maxsize=64)
def _weights(length: int, scale: float, border: Border) -> "csr_array":
    """The ceil(length·scale) × length matrix that resizes one axis."""
    from scipy.sparse import csr_array  # many commands import this module, and few resize

    out_length = math.ceil(length * scale)
    stretch = max(1.0, 1 / scale)
    centres = np.arange(1, out_length + 1) / scale + 0.5 * (1 - 1 / scale)
    first = np.floor(centres - 2 * stretch)
    taps = first[:, None] + np.arange(math.ceil(4 * stretch) + 2)
    weights = _cubic((centres[:, None] - taps) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    source = taps.astype(np.int64) - 1
    if border == "mirror":
        source %= 2 * length
        source = np.minimum(source, 2 * length - 1 - source)
    elif border == "replicate":
        source = source.clip(0, length - 1)
    else:
        raise InputError(f"border: {border!r} is not known; use 'mirror' or 'replicate'")
    rows = np.repeat(np.arange(out_length), taps.shape[1])
    matrix = csr_array((weights.ravel(), (rows, source.ravel())), shape=(out_length, length))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _weights_of(image: NDArray[np.generic], scale: float, border: Border) -> "tuple[csr_array, csr_array]":
    return _weights(image.shape[0], scale, border), _weights(image.shape[1], scale, border)


def _along_rows(weights: "csr_array", image: NDArray[np.generic]) -> NDArray[np.float64]:
    flat = np.asarray(image, np.float64).reshape(image.shape[0], -1)
    result: NDArray[np.float64] = weights @ flat
    return result.reshape(-1, *image.shape[1:])


def _along_columns(weights: "csr_array", image: NDArray[np.generic]) -> NDArray[np.float64]:
    turned = np.ascontiguousarray(np.moveaxis(image, 1, 0))
    return np.ascontiguousarray(np.moveaxis(_along_rows(weights, turned), 0, 1))
