"""The protocol ladder: what each choice of an evaluation protocol changes, on given images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from spsr.evaluation.pairs import Pair, read_pair
from spsr.images import RGB
from spsr.metrics.fidelity import SHAVE, check_pair, psnr_of_channels, shave
from spsr.metrics.luma import luma, luma_unrounded
from spsr.metrics.structural import WINDOW, downsampling_factor, shrink, ssim_index
from spsr.progress import Progress, silent

Channels = NDArray[np.generic]
Similarity = Callable[[Channels, Channels], float]


@dataclass(frozen=True)
class Variant:
    """One way to compute PSNR and SSIM."""

    label: str
    channels: Callable[[RGB], Channels]
    border: int
    similarity: Similarity


def _automatic(first: Channels, second: Channels) -> float:
    factor = downsampling_factor(first.shape)
    return ssim_index(first, second) if factor == 1 else ssim_index(shrink(first, factor), shrink(second, factor))


def _each_automatic(first: Channels, second: Channels) -> float:
    return float(np.mean([_automatic(first[..., c], second[..., c]) for c in range(first.shape[2])]))


def _each_channel(first: Channels, second: Channels) -> float:
    return float(np.mean([ssim_index(first[..., c], second[..., c]) for c in range(first.shape[2])]))


def _uniform_window(first: Channels, second: Channels) -> float:
    """SSIM with a flat 7×7 window and sample covariances, scikit-image's default."""
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y, size, edge = uniform_filter(x, 7), uniform_filter(y, 7), 49, 3
    unbiased = size / (size - 1)
    var_x = unbiased * (uniform_filter(x * x, 7) - mean_x**2)
    var_y = unbiased * (uniform_filter(y * y, 7) - mean_y**2)
    covariance = unbiased * (uniform_filter(x * y, 7) - mean_x * mean_y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = above / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return float(similarity[edge:-edge, edge:-edge].mean())


def _full_range_luma(rgb: RGB) -> NDArray[np.float64]:
    luma_0_255: NDArray[np.float64] = np.floor(rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) + 0.5)
    return luma_0_255


def _all_channels(rgb: RGB) -> Channels:
    return rgb


STEPS = (
    Variant("RGB, whole image, plain SSIM", _all_channels, 0, _each_channel),
    Variant("+ Y instead of RGB", luma_unrounded, 0, ssim_index),
    Variant("+ Y rounded to 8 bits", luma, 0, ssim_index),
    Variant("+ 4 pixels shaved (= psnr, ssim_standard)", luma, SHAVE, ssim_index),
    Variant("+ SSIM with automatic downsampling (= psnr, ssim: the paper)", luma, SHAVE, _automatic),
)
"""From the naive protocol to the paper's, one change at a time."""

DETOURS = (
    Variant("the paper's, but not shaved", luma, 0, _automatic),
    Variant("the paper's, but Y not rounded", luma_unrounded, SHAVE, _automatic),
    Variant("the paper's, but luma of range 0..255", _full_range_luma, SHAVE, _automatic),
    Variant(
        "as pyiqa's psnry and ssim: luma of range 0..255, whole image, not downsampled", _full_range_luma, 0, ssim_index
    ),
    Variant("the paper's, but RGB", _all_channels, SHAVE, _each_automatic),
    Variant("the paper's, but scikit-image's SSIM (flat 7x7 window, not downsampled)", luma, SHAVE, _uniform_window),
)
"""The paper's protocol with one change."""


def protocol_ladder(pairs: Mapping[str, Pair], progress: Progress = silent) -> pd.DataFrame:
    """The mean PSNR and SSIM of `pairs` under every variant of the protocol.

    Returns:
        A frame with the columns `variant, psnr, ssim, psnr_change, ssim_change`. The first rows climb from the
        naive protocol to the paper's (changes against the row above, NaN in the first); the others depart from the
        paper's by one choice (changes against the paper's).

    Raises:
        InputError: an image cannot be read or is too small, or sizes differ.
    """
    variants = (*STEPS, *DETOURS)
    scores = np.zeros((len(pairs), len(variants), 2))
    for number, (name, pair) in enumerate(pairs.items()):
        sr, hr = read_pair(pair)
        check_pair(sr, hr, smallest=WINDOW)
        scores[number] = [_scores(variant, sr, hr) for variant in variants]
        progress(number + 1, len(pairs), name)
    means = scores.mean(axis=0)
    top = len(STEPS) - 1
    reference = [max(row - 1, 0) if row <= top else top for row in range(len(variants))]
    with np.errstate(invalid="ignore"):
        change = means - means[reference]
    change[0] = np.nan
    return pd.DataFrame(
        {
            "variant": [variant.label for variant in variants],
            "psnr": means[:, 0],
            "ssim": means[:, 1],
            "psnr_change": change[:, 0],
            "ssim_change": change[:, 1],
        }
    )


def _scores(variant: Variant, sr: RGB, hr: RGB) -> tuple[float, float]:
    first, second = (variant.channels(shave(image, variant.border)) for image in (sr, hr))
    return psnr_of_channels(first, second), variant.similarity(first, second)
