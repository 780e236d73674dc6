"""The data of the report's image browser: which images there are, where they lie, and how methods score on them."""

import base64
import io
import math
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from spsr.config import Config
from spsr.evaluation.score_files import read_csv
from spsr.images import image_index, images_by_name, plain_name
from spsr.metrics import METRICS
from spsr.results.runs import Run

THUMBNAIL = 96
"""Longest side of a thumbnail in pixels."""


def score_data(runs: list[Run]) -> dict[str, Any]:
    """Per-image scores by run title and benchmark: columns of numbers, null for what is not finite."""
    found: dict[str, Any] = {}
    for run in runs:
        for dataset, path in run.score_files.items():
            frame = read_csv(path)
            columns = {
                name: [round(v, metric.digits + 1) if math.isfinite(v) else None for v in frame[name].tolist()]
                for name, metric in METRICS.items()
            }
            found.setdefault(run.title, {})[dataset] = {"image": frame["image"].tolist(), **columns}
    return found


def image_data(config: Config, runs: list[Run]) -> list[dict[str, Any]]:
    """Every prepared test image: benchmark, name, size, thumbnail, files of the original and the runs, LPIPS maps.

    Addresses are relative to the report. Runs without an image of that name are left out.
    """
    here = config.layout.report.parent
    folders: dict[tuple[str, str], dict[str, Path]] = {}
    maps: dict[tuple[str, str], dict[str, Path]] = {}
    for run in runs:
        for dataset in run.score_files:
            folders[run.title, dataset] = _results(config.images(run.name, run.seed, dataset))
            maps[run.title, dataset] = _results(config.layout.lpips_maps(run.name, run.seed, dataset))
    found: list[dict[str, Any]] = []
    for dataset in config.preset.data.benchmarks:
        originals = config.layout.benchmark(dataset) / "HR"
        if not originals.is_dir() or not any(originals.iterdir()):
            continue
        for stem, path in image_index(originals).items():
            name = plain_name(stem)
            results, differences = (
                {title: _address(at[name], here) for (title, of), at in kind.items() if of == dataset and name in at}
                for kind in (folders, maps)
            )
            size, thumbnail = _thumbnail(path)
            found.append(
                {
                    "dataset": dataset,
                    "image": stem,
                    "size": size,
                    "thumbnail": thumbnail,
                    "files": {"HR": _address(path, here), **results},
                    "lpips": differences,
                }
            )
    return found


def _results(folder: Path) -> dict[str, Path]:
    return images_by_name(folder) if folder.is_dir() and any(folder.iterdir()) else {}


def _address(path: Path, here: Path) -> str:
    return quote(Path(os.path.relpath(path, here)).as_posix())


def _thumbnail(path: Path) -> tuple[list[int], str]:
    with Image.open(path) as opened:
        size = list(opened.size)
        image = opened.convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return size, data_address(image)


def data_address(image: Image.Image) -> str:
    """An image as a `data:` address, in JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
