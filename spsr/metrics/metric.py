"""All that is known of a metric, once: how it is computed, named, shown and judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spsr.metrics.fidelity import psnr, ssim, ssim_standard

Measure = Callable[[NDArray[np.uint8], NDArray[np.uint8]], float]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: its column in files of scores.
        title: its name for readers.
        protocol: how it is computed, in one line; printed wherever its numbers are.
        digits: after the point, where it is shown; those of the paper.
        tolerance: how far a training may end from the paper's number and still count as reproduced: about the spread
            between runs that the paper's own Table 4 shows.
        lower_is_better: the direction.
        unit: of its values, for the heads of tables; empty for numbers.
        function: of two whole uint8 H×W×3 RGB images, the super-resolved and the original; None for those whose
            network needs weights.
        network: where the class of such a one is, `MODULE:CLASS`; it takes the files of `weights`.
        weights: their entries in the registry of weights.
    """

    name: str
    title: str
    protocol: str
    digits: int
    tolerance: float
    lower_is_better: bool = False
    unit: str = ""
    function: Measure | None = None
    network: str = ""
    weights: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """Its title over a column, with unit and direction: `PSNR (dB) ↑`."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.title}{unit} {'↓' if self.lower_is_better else '↑'}"

    def shown(self, value: float) -> str:
        """A value with the metric's digits."""
        return f"{value:.{self.digits}f}"

    def shown_difference(self, value: float) -> str:
        """A difference of two values with its sign, unless it is zero to the metric's digits: `-0.012`, `0.000`."""
        text = f"{value:+.{self.digits}f}"
        return text[1:] if float(text) == 0 else text

    def better(self, first: float, second: float) -> bool:
        """Whether the first value is the better one."""
        return first < second if self.lower_is_better else first > second


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "lpips",
            "LPIPS",
            "LPIPS v0.1 with linear heads on an ImageNet network (AlexNet unless said otherwise), on the whole RGB "
            "image, not shaved, scaled to [-1, 1]; lower is better",
            digits=4,
            tolerance=0.005,
            lower_is_better=True,
            network="spsr.metrics.lpips:Lpips",
            weights=("alexnet",),
        ),
        Metric(
            "psnr",
            "PSNR",
            "dB, on the luma Y (BT.601, 16..235, rounded to 8 bits) after 4 pixels are shaved off every side; peak 255",
            digits=3,
            tolerance=0.1,
            unit="dB",
            function=psnr,
        ),
        Metric(
            "ssim",
            "SSIM",
            "on the same Y as psnr, after automatic downsampling by f = max(1, round(shorter side / 256)) with an "
            "f×f box mean; 11×11 Gaussian window, sigma 1.5, valid area; the protocol of the paper",
            digits=4,
            tolerance=0.005,
            function=ssim,
        ),
        Metric(
            "ssim_standard",
            "SSIM (standard)",
            "as ssim, without the downsampling",
            digits=4,
            tolerance=0.005,
            function=ssim_standard,
        ),
    )
}
"""The measures of the paper's tables by name, in the order of their columns."""

FURTHER_METRICS: Mapping[str, Metric] = {
    "dists": Metric(
        "dists",
        "DISTS",
        "DISTS on VGG16 with the authors' weights, on the whole RGB image in [0, 1], neither shaved nor resized",
        digits=4,
        tolerance=0.005,
        lower_is_better=True,
        network="spsr.metrics.dists:Dists",
        weights=("vgg16", "dists"),
    ),
}
"""Measures that a preset may add, by name."""
