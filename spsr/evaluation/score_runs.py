"""The scores of runs on every benchmark of a preset, as far as they are not known yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spsr.config import Config
from spsr.data import weights
from spsr.data.benchmark import prepared_benchmarks
from spsr.data.hashing import file_hash, known_hash
from spsr.errors import InputError
from spsr.evaluation.measurement import earlier_measurement, measure_hash, write_scores
from spsr.evaluation.pairs import Pair, listed, match_folders
from spsr.evaluation.score import Meters, Task, Values, cores, measure, score_frame
from spsr.evaluation.upscaled import read_upscaled
from spsr.metrics import METRICS
from spsr.metrics.measured import further, measured
from spsr.progress import Progress, silent


def score_runs(
    config: Config, names: Sequence[str], seed: int, progress: Progress = silent
) -> tuple[list[Path], list[InputError]]:
    """Score the images of runs: to `Layout.scores`, and where LPIPS finds a difference to `Layout.lpips_maps`.

    An image is measured by the metrics that were not measured on the same image and original before, by the same code
    and weights. A run that cannot be scored does not keep the others from it.

    Args:
        names: methods; what LPIPS needs of an original is computed once for all.

    Returns:
        The score files, and what is wrong with runs that have none: an image is missing, damaged or of another size.

    Raises:
        InputError: a prepared benchmark or weights that a metric needs are missing (with the remedy).
    """
    measures = {name: measure_hash(metric) for name, metric in measured(config).items()}
    lpips = weights.stored(*METRICS["lpips"].weights)
    meters = Meters(config.preset.lpips, device=config.preset.compute.device)
    files: list[Path] = []
    problems: list[InputError] = []
    datasets = prepared_benchmarks(config)
    for done, dataset in enumerate(datasets):
        progress(done, len(datasets), dataset)
        subjects = []
        hashed = cache(file_hash)
        for name in names:
            try:
                subjects.append(_subject(config, name, seed, dataset, measures, hashed))
            except InputError as error:
                problems.append(error)
        tasks = [task for subject in subjects for task in subject.tasks]
        threads = 1 if any(len(subject.pairs) > 1 for subject in subjects) else cores()
        outcomes = iter(measure(tasks, meters, workers=config.preset.compute.threads, threads=threads))
        for subject in subjects:
            values = dict(subject.known)
            errors = []
            for task, outcome in zip(subject.tasks, outcomes):  # noqa: B905 (the rest is of the next subjects)
                if isinstance(outcome, InputError):
                    errors.append(str(outcome))
                else:
                    values[task.name] |= outcome
            if errors:
                problems.append(InputError(listed(errors)))
                continue
            write_scores(
                subject.file,
                score_frame(values, further(config)),
                weights=subject.weights,
                lpips=known_hash(lpips) if lpips.is_file() else None,
                images=subject.originals,
                results=subject.results,
                measures=measures,
            )
            files.append(subject.file)
    progress(len(datasets), len(datasets), "")
    return files, problems


@dataclass(frozen=True)
class _Subject:
    """The images of one run on one benchmark.

    Attributes:
        file: of its scores.
        weights: sha256 of those that made the images, as far as that is known.
        pairs: by image name.
        originals, results: sha256 of their files, by image name.
        known: what was measured before, by image name.
        tasks: what is left to measure of each image.
    """

    file: Path
    weights: str | None
    pairs: Mapping[str, Pair]
    originals: Mapping[str, str]
    results: Mapping[str, str]
    known: dict[str, Values]
    tasks: Sequence[Task]


def _subject(
    config: Config, name: str, seed: int, dataset: str, measures: Mapping[str, str], hashed: Callable[[Path], str]
) -> _Subject:
    layout = config.layout
    benchmark, images, maps = (
        layout.benchmark(dataset),
        config.images(name, seed, dataset),
        layout.lpips_maps(name, seed, dataset),
    )
    used, made = None, {}
    if config.method(name).images is None:
        remedy = f"run `spsr evaluate {name} {config.options} --seed {seed}`"
        record = read_upscaled(layout.upscaled(name, seed, dataset), benchmark, remedy)
        used, made = record.weights, record.images
    pairs = match_folders(images, benchmark / "HR")
    originals = {image: hashed(pair.hr) for image, pair in pairs.items()}
    results = {image: made.get(pair.sr.name) or file_hash(pair.sr) for image, pair in pairs.items()}
    file = layout.scores(name, seed, dataset)
    earlier = earlier_measurement(file)
    known: dict[str, Values] = {}
    tasks = []
    for image, pair in pairs.items():
        values = earlier.known(image, originals[image], results[image], measures) if earlier is not None else {}
        where = maps / f"{image}.png"
        known[image] = {metric: value for metric, value in values.items() if metric != "lpips" or where.is_file()}
        tasks.append(Task(image, pair, [metric for metric in measures if metric not in known[image]], where))
    return _Subject(file, used, pairs, originals, results, known, tasks)
