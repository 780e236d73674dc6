"""95 % intervals of a mean over images and seeds, by the bootstrap."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
_SEED = 20210914
_LEVELS = (2.5, 97.5)


@lru_cache(maxsize=64)
def resampling_weights(count: int, stream: int = 0, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Weights of `count` items in each bootstrap sample: resamples×count, every row summing to 1.

    The samples are the same in every call and every process; `stream` names independent ones.
    """
    random = np.random.default_rng([_SEED, stream, count])
    return random.multinomial(count, np.full(count, 1 / count), size=resamples) / count


def bootstrap_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bootstrap samples of the mean of S×N `values`: seeds (S) and images (N) are resampled independently."""
    seeds, images = values.shape
    over_images = resampling_weights(images) @ values.T
    if seeds == 1:
        return over_images[:, 0]
    return np.sum(over_images * resampling_weights(seeds, stream=1), axis=1)


def interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """The 95 % percentile interval of the mean of S×N `values` (seeds × images).

    None where resampling says nothing: one number only, or one that is not finite.
    """
    if values.size < 2 or not np.isfinite(values).all():
        return None
    low, high = np.percentile(bootstrap_means(values), _LEVELS)
    return float(low), float(high)


def interval_source(n_seeds: int, n_images: int) -> str:
    """What an interval of so many seeds and images is an interval over."""
    if n_seeds > 1:
        return "bootstrap over seeds and images"
    if n_images > 1:
        return "bootstrap over images of one seed; the spread between seeds is not in it"
    return "none: one image and one seed"
