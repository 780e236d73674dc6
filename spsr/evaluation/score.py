"""Scoring super-resolved images against the originals."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spsr import plugins
from spsr.data import weights
from spsr.errors import InputError, naming
from spsr.evaluation.lpips_map import write_map
from spsr.evaluation.pairs import Pair, listed, read_original, read_result
from spsr.evaluation.score_files import COLUMNS
from spsr.images import RGB
from spsr.metrics import METRICS, Metric
from spsr.metrics.fidelity import ssim_both
from spsr.metrics.measured import metric_of
from spsr.metrics.metric import Measure
from spsr.progress import Progress, silent

if TYPE_CHECKING:
    from spsr.metrics.lpips import Features, Lpips, Network

_MOST_WORKERS = 8

Values = dict[str, float]
"""Of one image, by metric."""


@dataclass(frozen=True)
class Task:
    """What is to be measured of one super-resolved image.

    Attributes:
        name: of the image.
        pair: its file and its original's.
        metrics: by name.
        map: where the LPIPS map is written, see `lpips_map.write_map`; None for nowhere.
    """

    name: str
    pair: Pair
    metrics: Sequence[str]
    map: Path | None = None


def score_pairs(
    pairs: Mapping[str, Pair],
    lpips: "Network | None" = "alex",
    *,
    backbone: Path | None = None,
    metrics: Sequence[str] = (),
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
        workers: images measured at a time, by default one for each core up to 8 (one for `vgg`, which needs much
            memory). The numbers do not depend on it while it is above 1.
        progress: called after each image, from the calling thread.

    Returns:
        A frame with the columns `image, lpips, psnr, ssim, ssim_standard` and those of `metrics`.

    Raises:
        InputError: an image cannot be read, is too small, or its size is not that of its original (all such
            pairs are named); weights that a metric needs are missing; one's own metric returns no number.
    """
    wanted = [*(name for name in METRICS if lpips is not None or name != "lpips"), *metrics]
    if workers is None:
        on_vgg = lpips == "vgg" or any("vgg16" in metric_of(name).weights for name in metrics)
        workers = 1 if on_vgg else min(cores(), _MOST_WORKERS)
    workers = min(workers, len(pairs))
    tasks = [Task(name, pair, wanted) for name, pair in pairs.items()]
    meters = Meters(lpips or "alex", backbone)
    outcomes = measure(tasks, meters, workers=workers, threads=1 if workers > 1 else cores(), progress=progress)
    values: dict[str, Values] = {}
    problems = []
    for task, outcome in zip(tasks, outcomes, strict=True):
        if isinstance(outcome, InputError):
            problems.append(str(outcome))
        else:
            values[task.name] = outcome
    if problems:
        raise InputError(listed(problems))
    return score_frame(values, metrics)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def score_frame(values: Mapping[str, Values], further: Sequence[str]) -> pd.DataFrame:
    """Scores by image as a row each, with the columns of every file of scores and of `further` metrics."""
    return pd.DataFrame([{"image": name, **row} for name, row in values.items()], columns=[*COLUMNS, *further])


class Meters:
    """What computes the metrics, with its network where it has one; each is loaded when it is first asked for.

    Args:
        lpips: the network of LPIPS.
        backbone: its ImageNet weights, by default from the weight registry.
        device: where networks compute, by default on a GPU where there is one.
    """

    def __init__(self, lpips: "Network" = "alex", backbone: Path | None = None, device: str | None = None) -> None:
        self._net = lpips
        self._backbone = backbone
        self._device = device
        self._loaded: dict[str, Measure] = {}

    @cached_property
    def lpips(self) -> "Lpips":
        """LPIPS with its network."""
        from spsr.metrics.lpips import WEIGHTS, Lpips
        from spsr.models.device import chosen

        return Lpips(self._net, self._backbone or weights.path(WEIGHTS[self._net]), chosen(self._device))

    def of(self, name: str) -> Measure:
        """What computes the metric `name`; `InputError` if its weights are missing."""
        if name == "lpips":
            return self.lpips
        if name not in self._loaded:
            metric = metric_of(name)
            self._loaded[name] = metric.function or self._network_of(metric)
        return self._loaded[name]

    def _network_of(self, metric: Metric) -> Measure:
        from spsr.models.device import chosen

        files = map(weights.path, metric.weights)
        network: Measure = plugins.named(metric.network)(*files, device=chosen(self._device))
        return network


def measure(
    tasks: Sequence[Task], meters: Meters, *, workers: int, threads: int, progress: Progress = silent
) -> list[Values | InputError]:
    """What each task found, or why it found nothing.

    What LPIPS needs of an original is computed once for all tasks that share it.

    Args:
        workers: originals that are compared at a time.
        threads: of torch, in each worker.
        progress: called from the calling thread.

    Raises:
        InputError: weights that a metric needs are missing.
    """
    names = dict.fromkeys(name for task in tasks for name in task.metrics)
    by_original: dict[Path, list[int]] = defaultdict(list)
    for index, task in enumerate(tasks):
        by_original[task.pair.hr].append(index)
    outcomes: dict[int, Values | InputError] = {}
    with _torch_threads(threads if any(metric_of(name).network for name in names) else None):
        for name in names:
            meters.of(name)
        with ThreadPoolExecutor(max(1, min(workers, len(by_original)))) as pool:
            futures = {
                pool.submit(_compare, hr, [tasks[index] for index in of], meters): of for hr, of in by_original.items()
            }
            try:
                for future in as_completed(futures):
                    of = futures[future]
                    outcomes.update(zip(of, future.result(), strict=True))
                    progress(len(outcomes), len(tasks), tasks[of[0]].name)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [outcomes[index] for index in range(len(tasks))]


def _compare(original: Path, tasks: Sequence[Task], meters: Meters) -> list[Values | InputError]:
    """The outcomes of tasks that share an original."""
    try:
        hr = read_original(original)
    except InputError as error:
        return [error] * len(tasks)
    outcomes: list[Values | InputError] = []
    theirs: Features | None = None
    for task in tasks:
        try:
            sr = read_result(task.pair, hr)
            with naming(task.pair.sr):
                values = _similarity(sr, hr, task.metrics)
                if "lpips" in task.metrics:
                    theirs = meters.lpips.features(hr) if theirs is None else theirs
                    values["lpips"] = _lpips(sr, theirs, meters.lpips, task.map)
                outcomes.append(values | {name: meters.of(name)(sr, hr) for name in task.metrics if name not in values})
        except InputError as error:
            outcomes.append(error)
    return outcomes


def _similarity(sr: RGB, hr: RGB, wanted: Sequence[str]) -> Values:
    """Both SSIMs, which share their work, as far as they are wanted."""
    if not {"ssim", "ssim_standard"} & {*wanted}:
        return {}
    both = zip(("ssim", "ssim_standard"), ssim_both(sr, hr), strict=True)
    return {name: value for name, value in both if name in wanted}


def _lpips(sr: RGB, theirs: "Features", distance: "Lpips", map_file: Path | None) -> float:
    if map_file is None:
        return distance(sr, theirs)
    value, where = distance.spatial(sr, theirs)
    write_map(map_file, where)
    return value


@contextmanager
def _torch_threads(count: int | None) -> Iterator[None]:
    """Within the block, torch computes in full fp32, with `count` threads in every thread that starts.

    None leaves torch alone.
    """
    if count is None:
        yield
        return
    import torch

    before, cudnn = torch.get_num_threads(), torch.backends.cudnn
    tf32 = cudnn.allow_tf32
    torch.set_num_threads(count)
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32 = tf32
        torch.set_num_threads(before)
