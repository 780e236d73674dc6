"""Per-image scores of the runs of a preset, and why some are absent."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spsr.config import Config
from spsr.data.benchmark import recorded
from spsr.errors import InputError
from spsr.evaluation.measurement import Measurement, read_measurement
from spsr.evaluation.pairs import listed
from spsr.evaluation.score_files import read_csv
from spsr.metrics.measured import measured
from spsr.pipeline.roster import belongs, why_not


@dataclass(frozen=True)
class Scores:
    """The scores of a method on a benchmark.

    Attributes:
        seeds: seeds of the finished runs, S of them.
        images: names of the N images, the same for every seed.
        values: S×N scores by metric, of the metrics that all runs were measured by.
        measurements: of each seed's file; of none that an earlier version wrote.
    """

    seeds: tuple[int, ...]
    images: tuple[str, ...]
    values: dict[str, NDArray[np.float64]]
    measurements: tuple[Measurement, ...] = ()


def read_scores(config: Config, name: str, dataset: str) -> Scores | None:
    """Scores of the finished runs of a method on a benchmark; None if there is no finished run.

    Raises:
        InputError: a score file is broken; images are doubled, missing or foreign; or two seeds were scored on
            different images, with different networks of LPIPS, or with the same weights.
    """
    if not belongs(config, name) or dataset not in config.preset.data.benchmarks:
        return None
    frames = {}
    known: dict[Path, Measurement] = {}
    for seed in config.seeds(name):
        path = config.layout.scores(name, seed, dataset)
        if path.is_file():
            status = path.stat()
            frames[seed] = _sorted_scores(path.resolve(), status.st_mtime_ns, status.st_size)
            if (measurement := read_measurement(path)) is not None:
                known[path] = measurement
    if not frames:
        return None
    originals = _originals(config, dataset)
    for seed, frame in frames.items():
        check_images(config.layout.scores(name, seed, dataset), frame["image"], originals)
    check_mixture(known, originals)
    images = {seed: tuple(frame["image"]) for seed, frame in frames.items()}
    first = next(iter(images.values()))
    for seed, names in images.items():
        if names != first:
            path = config.layout.scores(name, seed, dataset)
            raise InputError(f"{path}: other images than the method's first seed has; score the seeds again")
    shared = [name for name in measured(config) if all(name in frame for frame in frames.values())]
    values = {
        metric: np.stack([frame[metric].to_numpy(dtype=np.float64) for frame in frames.values()]) for metric in shared
    }
    return Scores(tuple(frames), first, values, tuple(known.values()))


def _originals(config: Config, dataset: str) -> dict[str, str]:
    """sha256 of the prepared originals by image name; none where the benchmark is not on this machine."""
    prepared = recorded(config.layout.benchmark(dataset))
    return {Path(file).stem: digest for file, digest in prepared.items() if file.startswith("HR/")}


def check_images(path: Path, images: Iterable[str], originals: Mapping[str, str]) -> None:
    """`InputError` if a file of scores has an image twice, or not just those of the benchmark."""
    counts = Counter(images)
    if doubled := [image for image, count in counts.items() if count > 1]:
        raise InputError(f"{path}: has {listed(doubled)} more than once; score the images again")
    if originals and (missing := sorted(originals.keys() - counts)):
        raise InputError(f"{path}: lacks {listed(missing)} of the benchmark; score the images again")
    if originals and (foreign := sorted(counts.keys() - originals)):
        raise InputError(f"{path}: has {listed(foreign)}, which the benchmark does not have; score the images again")


def check_mixture(known: Mapping[Path, Measurement], originals: Mapping[str, str]) -> None:
    """`InputError` if scores that are averaged or compared were not measured on the same images in the same way."""
    seen: dict[str, Path] = {}
    for path, measurement in known.items():
        if originals and measurement.images != originals:
            raise InputError(f"{path}: was measured on other images than are prepared now; score the images again")
        if measurement.weights is not None and (other := seen.setdefault(measurement.weights, path)) != path:
            raise InputError(f"{path}: was measured with the same weights as {other}; score the seeds again")
    same = {measurement.lpips for measurement in known.values()}
    if len(same) > 1:
        raise InputError(f"{listed(list(map(str, known)))}: LPIPS by different networks; score the images again")


def check_comparable(dataset: str, scores: Mapping[str, Scores | None]) -> None:
    """`InputError` if methods of one table were measured on other images of a benchmark, or by another LPIPS."""
    first: tuple[str, Measurement] | None = None
    for method, its in scores.items():
        for measurement in its.measurements if its is not None else ():
            first = first or (method, measurement)
            if (measurement.images, measurement.lpips) != (first[1].images, first[1].lpips):
                raise InputError(
                    f"{method} on {dataset}: was measured on other images, or with another network of LPIPS, than "
                    f"{first[0]}; run `spsr evaluate` for both again"
                )


@lru_cache(maxsize=4096)
def _sorted_scores(path: Path, modified: int, size: int) -> pd.DataFrame:
    """A score file in the order of its images; read once for every content (by time and size)."""
    return read_csv(path).sort_values("image", kind="stable")


def why_absent(config: Config, name: str, dataset: str) -> str:
    """The reason for which a method has no scores on a benchmark, as a reader should see it."""
    if dataset not in config.preset.data.benchmarks:
        return f"the preset has no benchmark {dataset}"
    return why_not(config, name) or "no finished run"
