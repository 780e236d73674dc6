"""What votes say: how often each method took each rank, and its strength in the Bradley-Terry model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spsr.results.intervals import RESAMPLES, resampling_weights

PRIOR = 0.5
"""Wins that each method is given against each other before any vote, so that one that never loses stays finite."""

_ITERATIONS, _TOLERANCE = 10_000, 1e-10


def summarise(votes: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """A row for each method, the strongest first.

    Args:
        votes: rater, dataset, image, method and rank; every method once for each rater and image.

    Returns:
        method; `rank1`, `rank2`, …: number of votes for each rank, as Fig. 9 of the paper counts them; `strength`:
        logarithm of the Bradley-Terry strength, of mean zero over the methods; `low`, `high`: 95 % interval by the
        bootstrap over raters (over votes, if there is one rater only); `raters`, `votes`.
    """
    ranks = votes.pivot_table(index=["rater", "dataset", "image"], columns="method", values="rank")[list(methods)]
    wins = pairwise_wins(ranks.to_numpy(dtype=np.int64))
    raters = ranks.index.get_level_values("rater")
    if raters.nunique() > 1:
        wins = np.stack([wins[raters == rater].sum(axis=0) for rater in raters.unique()])
    samples = np.einsum("bu,ufs->bfs", resampling_weights(len(wins)) * len(wins), wins)
    low, high = np.percentile(bradley_terry(samples), (2.5, 97.5), axis=0)
    counts = {f"rank{rank}": (ranks == rank).sum().to_numpy() for rank in range(1, len(methods) + 1)}
    strength = bradley_terry(wins.sum(axis=0)[None])[0]
    found = pd.DataFrame({"method": list(methods), **counts, "strength": strength, "low": low, "high": high})
    return found.assign(raters=raters.nunique(), votes=len(ranks)).sort_values("strength", ascending=False)


def pairwise_wins(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    """V×M ranks as V×M×M comparisons: 1 where the first method stands before the second."""
    return (ranks[:, :, None] < ranks[:, None, :]).astype(np.float64)


def bradley_terry(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Most likely log strengths, N×M with mean zero, for N tables of M×M wins (row over column).

    P(i before j) = s_i / (s_i + s_j), by the MM algorithm (Hunter 2004), with `PRIOR` wins for every pair.
    """
    methods = wins.shape[-1]
    wins = wins + PRIOR * (1 - np.eye(methods))
    games = wins + wins.swapaxes(1, 2)
    total = wins.sum(axis=2)
    strengths = np.ones_like(total)
    for _ in range(_ITERATIONS):
        updated = total / (games / (strengths[:, :, None] + strengths[:, None, :])).sum(axis=2)
        updated /= np.exp(np.log(updated).mean(axis=1, keepdims=True))
        change = np.abs(np.log(updated / strengths)).max()
        strengths = updated
        if change < _TOLERANCE:
            break
    return np.log(strengths)


STRENGTH_NOTE = (
    "strength: logarithm of the Bradley-Terry strength, 0 for the average method; a method is ranked before another "
    "with odds of exp(difference): a difference of 0.7 is two times in three"
)
"""What the column `strength` of a summary means, in one sentence."""


def interval_note(raters: int) -> str:
    """What the interval of so many raters is an interval over."""
    if raters > 1:
        return f"95 % interval: bootstrap over {raters} raters, {RESAMPLES} resamples"
    return "95 % interval: bootstrap over the votes of one rater; the spread between raters is not in it"
