"""Scoring super-resolved images against the originals."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spsr import plugins
from spsr.data import weights
from spsr.errors import InputError, naming
from spsr.evaluation.lpips_map import write_map
from spsr.evaluation.pairs import Pair, listed, read_pair
from spsr.evaluation.score_files import COLUMNS
from spsr.images import RGB
from spsr.metrics import METRICS, Metric
from spsr.metrics.fidelity import ssim_both
from spsr.metrics.measured import metric_of
from spsr.metrics.metric import Measure
from spsr.progress import Progress, silent

if TYPE_CHECKING:
    from spsr.metrics.lpips import Lpips, Network

"""Called with the number of finished images and of all of them."""

_MOST_WORKERS = 8


def score_pairs(
    pairs: Mapping[str, Pair],
    lpips: "Network | None" = "alex",
    *,
    backbone: Path | None = None,
    metrics: Sequence[str] = (),
    maps: Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Measure every pair; one row each, in the order of `pairs`.

    HR images are cut to multiples of 4 first. See `spsr.metrics.METRICS` for what each column is.

    Args:
        pairs: the files by image name.
        lpips: the network of LPIPS, or None to leave the column empty (NaN) and import no torch.
        backbone: its ImageNet weights, by default from the weight registry.
        metrics: what is measured beside the paper's; see `spsr.metrics.measured`.
        maps: a folder to which the LPIPS map of each image is written, see `lpips_map.write_map`.
        workers: images measured at a time, by default one for each core up to 8 (one for `vgg`, which needs much
            memory). The numbers do not depend on it while it is above 1.
        progress: called after each image, from the calling thread.

    Returns:
        A frame with the columns `image, lpips, psnr, ssim, ssim_standard` and those of `metrics`.

    Raises:
        InputError: an image cannot be read, is too small, or its size is not that of its original (all such
            pairs are named); weights that a metric needs are missing; one's own metric returns no number.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = {name: metric_of(name) for name in metrics}
    on_vgg = lpips == "vgg" or any("vgg16" in metric.weights for metric in wanted.values())
    if workers is None:
        workers = 1 if on_vgg else min(cores, _MOST_WORKERS)
    workers = max(1, min(workers, len(pairs)))
    further = {name: _measure_of(metric) for name, metric in wanted.items()}
    if lpips is None and not any(metric.network for metric in wanted.values()):
        return _measure_all(pairs, None, None, further, workers, progress)

    from spsr.metrics.lpips import WEIGHTS, Lpips

    distance = None if lpips is None else Lpips(lpips, backbone or weights.path(WEIGHTS[lpips]))
    with _torch_threads(1 if workers > 1 else cores):
        return _measure_all(pairs, distance, maps, further, workers, progress)


def _measure_of(metric: Metric) -> Measure:
    """What computes a metric, with its network where it has one."""
    if metric.function is not None:
        return metric.function
    network: Measure = plugins.named(metric.network)(*map(weights.path, metric.weights))
    return network


def _measure_all(
    pairs: Mapping[str, Pair],
    distance: "Lpips | None",
    maps: Path | None,
    further: Mapping[str, Measure],
    workers: int,
    progress: Progress,
) -> pd.DataFrame:
    rows: dict[str, dict[str, float]] = {}
    problems: dict[str, InputError] = {}
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(_measure, name, pair, distance, maps, further): name for name, pair in pairs.items()}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                try:
                    rows[futures[future]] = future.result()
                except InputError as error:
                    problems[futures[future]] = error
                progress(done, len(pairs), futures[future])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if problems:
        raise InputError(listed([str(problems[name]) for name in pairs if name in problems]))
    return pd.DataFrame([{"image": name, **rows[name]} for name in pairs], columns=[*COLUMNS, *further])


def _measure(
    name: str, pair: Pair, distance: "Lpips | None", maps: Path | None, further: Mapping[str, Measure]
) -> dict[str, float]:
    sr, hr = read_pair(name, pair)
    with naming(pair.sr):
        measured = dict(zip(("ssim", "ssim_standard"), ssim_both(sr, hr), strict=True))
        measured["lpips"] = _lpips(name, sr, hr, distance, maps)
        for metric in METRICS.values():
            if metric.function is not None and metric.name not in measured:
                measured[metric.name] = metric.function(sr, hr)
        return measured | {name: measure(sr, hr) for name, measure in further.items()}


def _lpips(name: str, sr: RGB, hr: RGB, distance: "Lpips | None", maps: Path | None) -> float:
    if distance is None:
        return math.nan
    if maps is None:
        return distance(sr, hr)
    value, where = distance.spatial(sr, hr)
    write_map(maps / f"{name}.png", where)
    return value


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Within the block, torch computes with `count` threads in every thread that starts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
