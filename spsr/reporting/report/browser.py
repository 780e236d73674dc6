"""The data of the report's image browser: which images there are, where they lie, and how methods score on them."""

import base64
import io
import math
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from spsr.config import Config
from spsr.evaluation.score_files import metrics_in, read_csv
from spsr.images import image_index, images_by_name, plain_name, read_rgb
from spsr.metrics.measured import metric_of
from spsr.results.runs import Run

THUMBNAIL = 96
"""Longest side of a thumbnail in pixels."""


@dataclass(frozen=True)
class TriedImage:
    """A prepared test image and what the runs made of it.

    Attributes:
        original: its file.
        results: files of the super-resolved images, by run title.
        maps: files of where LPIPS finds a difference, by run title.
        spread: standard deviation of LPIPS over the runs; 0 for fewer than two.
    """

    dataset: str
    name: str
    original: Path
    results: dict[str, Path]
    maps: dict[str, Path]
    spread: float


def score_data(runs: list[Run]) -> dict[str, Any]:
    """Per-image scores by run title and benchmark: columns of numbers, null for what is not finite."""
    found: dict[str, Any] = {}
    for run in runs:
        for dataset, path in run.score_files.items():
            frame = read_csv(path)
            columns = {
                name: [round(v, metric.digits + 1) if math.isfinite(v) else None for v in frame[name].tolist()]
                for name, metric in ((name, metric_of(name)) for name in metrics_in(frame))
            }
            found.setdefault(run.title, {})[dataset] = {"image": frame["image"].tolist(), **columns}
    return found


def tried_images(config: Config, runs: list[Run]) -> Iterator[TriedImage]:
    """Every prepared test image. Runs without an image of that name are left out."""
    lpips: dict[tuple[str, str], list[float]] = {}
    for by_dataset in score_data(runs).values():
        for dataset, columns in by_dataset.items():
            for name, value in zip(columns["image"], columns["lpips"], strict=True):
                if value is not None:
                    lpips.setdefault((dataset, name), []).append(value)
    for dataset in config.preset.data.benchmarks:
        originals = config.layout.benchmark(dataset) / "HR"
        if not originals.is_dir() or not any(originals.iterdir()):
            continue
        scored = [run for run in runs if dataset in run.score_files]
        images = {run.title: _by_name(config.images(run.name, run.seed, dataset)) for run in scored}
        maps = {run.title: _by_name(config.layout.lpips_maps(run.name, run.seed, dataset)) for run in scored}
        for stem, path in image_index(originals).items():
            name = plain_name(stem)
            results, differences = (
                {title: files[name] for title, files in kind.items() if name in files} for kind in (images, maps)
            )
            values = lpips.get((dataset, stem), [0.0])
            yield TriedImage(dataset, stem, path, results, differences, round(statistics.pstdev(values), 5))


def image_data(config: Config, runs: list[Run]) -> list[dict[str, Any]]:
    """Every prepared test image with the addresses of its files, relative to the report."""
    here = config.layout.report.parent

    def address(path: Path) -> str:
        return quote(Path(os.path.relpath(path, here)).as_posix())

    found = []
    for tried in tried_images(config, runs):
        size, thumbnail = small(tried.original)
        found.append(
            {
                "dataset": tried.dataset,
                "image": tried.name,
                "spread": tried.spread,
                "size": size,
                "thumbnail": thumbnail,
                "files": {"HR": address(tried.original)} | {run: address(at) for run, at in tried.results.items()},
                "lpips": {run: address(at) for run, at in tried.maps.items()},
            }
        )
    return found


def _by_name(folder: Path) -> dict[str, Path]:
    return images_by_name(folder) if folder.is_dir() and any(folder.iterdir()) else {}


def small(path: Path) -> tuple[list[int], str]:
    """Width and height of an image, and its thumbnail as a `data:` address."""
    image = Image.fromarray(read_rgb(path))
    size = list(image.size)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return size, data_address(image)


def data_address(image: Image.Image, lossless: bool = False) -> str:
    """An image as a `data:` address: JPEG, or WebP that keeps every pixel."""
    buffer = io.BytesIO()
    if lossless:
        image.save(buffer, format="WEBP", lossless=True, method=1)
    else:
        image.save(buffer, format="JPEG", quality=80)
    kind = "webp" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
