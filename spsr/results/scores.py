"""Per-image scores of the runs of a preset, and why some are absent."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spsr.config import Config
from spsr.errors import InputError
from spsr.evaluation.score_files import read_csv
from spsr.metrics import METRICS
from spsr.pipeline.roster import belongs, why_not


@dataclass(frozen=True)
class Scores:
    """The scores of a method on a benchmark.

    Attributes:
        seeds: seeds of the finished runs, S of them.
        images: names of the N images, the same for every seed.
        values: S×N scores by metric.
    """

    seeds: tuple[int, ...]
    images: tuple[str, ...]
    values: dict[str, NDArray[np.float64]]


def read_scores(config: Config, name: str, dataset: str) -> Scores | None:
    """Scores of the finished runs of a method on a benchmark; None if there is no finished run.

    Raises:
        InputError: a score file is broken, or two seeds were scored on different images.
    """
    if not belongs(config, name) or dataset not in config.preset.data.benchmarks:
        return None
    frames = {}
    for seed in config.seeds(name):
        path = config.layout.scores(name, seed, dataset)
        if path.is_file():
            status = path.stat()
            frames[seed] = _sorted_scores(path.resolve(), status.st_mtime_ns, status.st_size)
    if not frames:
        return None
    images = {seed: tuple(frame["image"]) for seed, frame in frames.items()}
    first = next(iter(images.values()))
    for seed, names in images.items():
        if names != first:
            path = config.layout.scores(name, seed, dataset)
            raise InputError(f"{path}: other images than the method's first seed has; score the seeds again")
    values = {
        metric: np.stack([frame[metric].to_numpy(dtype=np.float64) for frame in frames.values()]) for metric in METRICS
    }
    return Scores(tuple(frames), first, values)


@lru_cache(maxsize=4096)
def _sorted_scores(path: Path, modified: int, size: int) -> pd.DataFrame:
    """A score file in the order of its images; read once for every content (by time and size)."""
    return read_csv(path).sort_values("image", kind="stable")


def why_absent(config: Config, name: str, dataset: str) -> str:
    """The reason for which a method has no scores on a benchmark, as a reader should see it."""
    if dataset not in config.preset.data.benchmarks:
        return f"the preset has no benchmark {dataset}"
    return why_not(config, name) or "no finished run"
