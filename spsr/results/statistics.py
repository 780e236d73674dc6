"""Whether an ablation differs from its parent: paired over images, corrected for the number of questions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from spsr.config import Config
from spsr.results.intervals import resampling_weights
from spsr.results.scores import Scores, read_scores

LEVEL = 0.05
FEWEST_IMAGES = 6
"""With fewer pairs, the smallest possible p of the two-sided Wilcoxon test is above `LEVEL`."""


@dataclass(frozen=True)
class Difference:
    """A method minus its parent, on one benchmark and by one metric.

    Attributes:
        mean: of the differences over images, each averaged over seeds.
        interval: 95 % interval of `mean`, by the paired bootstrap.
        p: two-sided Wilcoxon signed-rank test over images.
        p_holm: `p` after Holm's correction over the benchmarks and metrics of this pair of methods.
    """

    method: str
    parent: str
    dataset: str
    metric: str
    mean: float
    interval: tuple[float, float]
    p: float
    p_holm: float
    n_images: int

    @property
    def supported(self) -> bool:
        """Whether both the corrected test and the interval say that the two differ."""
        return self.p_holm < LEVEL and not self.interval[0] <= 0 <= self.interval[1]


def paired_bootstrap(ours: NDArray[np.float64], parent: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of mean(ours) - mean(parent), S×N and T×N scores of the same N images.

    The same images are drawn for both; seeds are drawn for each on its own.
    """
    images = resampling_weights(ours.shape[1])
    samples = np.zeros(images.shape[0])
    for sign, values, stream in ((1, ours, 1), (-1, parent, 2)):
        over_images = images @ values.T
        weights = resampling_weights(len(values), stream) if len(values) > 1 else 1.0
        samples += sign * np.sum(over_images * weights, axis=1)
    low, high = np.percentile(samples, (2.5, 97.5))
    return float(low), float(high)


def wilcoxon(differences: NDArray[np.float64]) -> float:
    """Two-sided p of the signed-rank test that N differences are symmetric about zero; 1 if all are zero."""
    if not np.any(differences):
        return 1.0
    return float(stats.wilcoxon(differences, zero_method="wilcox").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values that can be compared with the level as they are."""
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i])
    adjusted = [0.0] * count
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def difference(method: str, parent: str, dataset: str, metric: str, ours: Scores, theirs: Scores) -> Difference | None:
    """The uncorrected difference; None if there are too few common images or a score is not finite."""
    if ours.images != theirs.images or len(ours.images) < FEWEST_IMAGES:
        return None
    a, b = ours.values[metric], theirs.values[metric]
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    by_image = a.mean(axis=0) - b.mean(axis=0)
    p = wilcoxon(by_image)
    return Difference(
        method, parent, dataset, metric, float(by_image.mean()), paired_bootstrap(a, b), p, p, len(by_image)
    )


def against_parent(config: Config, method: str) -> dict[tuple[str, str], Difference]:
    """A method against the one that it `extends`, by benchmark and metric; empty if there is nothing to compare."""
    parent = config.method(method).extends
    if parent is None:
        return {}
    found = []
    for dataset in config.preset.data.benchmarks:
        ours, theirs = read_scores(config, method, dataset), read_scores(config, parent, dataset)
        if ours is not None and theirs is not None:
            metrics = [metric for metric in ours.values if metric in theirs.values]
            found += [difference(method, parent, dataset, metric, ours, theirs) for metric in metrics]
    there = [item for item in found if item is not None]
    corrected = holm([item.p for item in there])
    return {(item.dataset, item.metric): replace(item, p_holm=p) for item, p in zip(there, corrected, strict=True)}
