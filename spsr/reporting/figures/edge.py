"""Fig. 4: why gradients tell a sharp edge from a blurry one. Computed; it needs no result."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spsr.reporting.figures.style import COLUMN_WIDTH, PALETTE

LENGTH, EDGE, SPREAD = 24, 12, 4
"""Pixels, the position of the edge, and how far it may be displaced in images with the same LR pixels."""

Signal = NDArray[np.float64]


def step(position: int) -> Signal:
    """A one-dimensional edge: zeros, then ones from `position`."""
    return (np.arange(LENGTH) >= position).astype(np.float64)


def average_of_edges() -> Signal:
    """The mean of all edges up to `SPREAD` pixels away: what a pixelwise loss teaches when each is as likely."""
    return np.mean([step(EDGE + offset) for offset in range(-SPREAD, SPREAD + 1)], axis=0)


def gradient(signal: Signal) -> Signal:
    """The gradient magnitude in one dimension: `|x(i+1) - x(i-1)|` (eq. 2), with the end values repeated."""
    padded = np.pad(signal, 1, mode="edge")
    return np.abs(padded[2:] - padded[:-2])


def distances(signal: Signal) -> tuple[float, float]:
    """The L1 distances to the true edge, of the values and of the gradients: sums over pixels."""
    truth = step(EDGE)
    return float(np.abs(signal - truth).sum()), float(np.abs(gradient(signal) - gradient(truth)).sum())


def draw() -> Figure:
    """Three sequences (HR, the average, one edge displaced by a pixel) and their gradients below."""

    signals = {"HR": step(EDGE), "Blurry SR": average_of_edges(), "Sharp SR": step(EDGE + 1)}
    figure, axes = plt.subplots(2, 3, figsize=(COLUMN_WIDTH, 2.0), sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(left=0.1, right=0.99, bottom=0.05, top=0.91, wspace=0.08, hspace=0.12)
    for column, (title, signal) in enumerate(signals.items()):
        image, slope = distances(signal)
        for row, values in enumerate((signal, gradient(signal))):
            axis = axes[row, column]
            axis.step(range(LENGTH), values, where="mid", color=PALETTE[row])
            axis.fill_between(range(LENGTH), values, step="mid", color=PALETTE[row], alpha=0.15, linewidth=0)
            axis.set_ylim(-0.08, 1.15)
            axis.set_yticks([0, 1])
            axis.set_xticks([])
            distance = (image, slope)[row]
            if title != "HR":
                axis.text(0.02, 0.86, f"L1 {distance:.2f}", transform=axis.transAxes, fontsize=6)
        axes[0, column].set_title(title)
    axes[0, 0].set_ylabel("pixels")
    axes[1, 0].set_ylabel("gradients")
    return figure
