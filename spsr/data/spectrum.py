"""A test of whether a photograph is an upsampled one, from how its spectrum falls."""

import numpy as np
from numpy.typing import NDArray

FACTORS = (2, 3, 4)
THRESHOLD = 4.6
"""Decades of power lost per decade of frequency that no genuine photograph of the calibration reaches.

Calibrated on the 119 HR images of Set5, Set14 and BSD100, the 24 of Kodak and 318 training photographs (largest
value 3.90, Set5 bird) and on the 119 bicubically enlarged by 2, 3 and 4, with and without being reduced first
(smallest value 5.40).
"""

_ROUNDING_POWER = 0.03
"""Power at each frequency of the luma's rounding noise, below which a spectrum says nothing."""

_BINS = 64


def power_spectrum(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean power of the luma's rows and of its columns (2×64), from frequency 0 to Nyquist; Hann window."""
    luma = image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return np.stack([_row_spectrum(luma), _row_spectrum(luma.T)])


def _row_spectrum(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    count = rows.shape[1]
    window = np.hanning(count)
    centred = (rows - rows.mean(axis=1, keepdims=True)) * window
    power = (np.abs(np.fft.rfft(centred, axis=1)) ** 2).mean(axis=0) / (window**2).sum()
    width = max(1, len(power) // _BINS)
    smooth = np.convolve(power, np.full(width, 1 / width), "same")
    return np.interp(_centres(), np.linspace(0, 1, len(power)), smooth)


def _centres() -> NDArray[np.float64]:
    return (np.arange(_BINS) + 0.5) / _BINS


def steepness(image: NDArray[np.uint8]) -> float:
    """How steeply the spectrum of `image` (uint8 H×W×3) falls where an upsampled image has lost its detail.

    For each factor s, the fall from below to above the frequency 1/s of Nyquist, in decades of power per decade of
    frequency, mean of rows and columns; the largest over the factors. Natural images fall by about 2 everywhere; an
    interpolation kernel adds its own fall there.
    """
    spectrum = np.log10(np.maximum(power_spectrum(image) - _ROUNDING_POWER, _ROUNDING_POWER / 10))
    frequency = _centres()
    falls = []
    for factor in FACTORS:
        below = (frequency > 0.5 / factor) & (frequency < 0.8 / factor)
        above = (frequency > 1 / factor) & (frequency < 2 / factor)
        run = np.log10(frequency[above]).mean() - np.log10(frequency[below]).mean()
        fall = (spectrum[:, below].mean(axis=1) - spectrum[:, above].mean(axis=1)) / run
        falls.append(fall.mean())
    return float(max(falls))


def looks_upsampled(image: NDArray[np.uint8]) -> bool:
    """Whether `image` (uint8 H×W×3) has the spectrum of an image enlarged by 2, 3 or 4."""
    return steepness(image) > THRESHOLD
