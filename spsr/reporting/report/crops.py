"""Parts of images for a report that stands alone: the pixels themselves, where methods disagree most."""

from pathlib import Path
from typing import Any

from PIL import Image

from spsr.config import Config
from spsr.images import SCALE, read_rgb
from spsr.reporting.figures.pictures import strongest_square_of
from spsr.reporting.report.browser import TriedImage, data_address, small, tried_images
from spsr.results.runs import Run

SIDE = 128
"""Pixels of the side of a part."""

IMAGES = 6
"""Of each benchmark: those on which the LPIPS of the methods differ most."""


def crop_data(config: Config, runs: list[Run]) -> list[dict[str, Any]]:
    """The entries of `browser.image_data` for some images, with a part of each inside; of the first seeds only.

    `part` is left, top, width and height of the whole, in pixels of the original.
    """
    first = [run for run in runs if run.seed == config.seeds(run.name)[0]]
    by_dataset: dict[str, list[TriedImage]] = {}
    for tried in tried_images(config, first):
        by_dataset.setdefault(tried.dataset, []).append(tried)
    return [
        _entry(tried)
        for images in by_dataset.values()
        for tried in sorted(images, key=lambda each: -each.spread)[:IMAGES]
    ]


def _entry(tried: TriedImage) -> dict[str, Any]:
    original = read_rgb(tried.original)
    whole, thumbnail = small(tried.original)
    left, top, width, height = strongest_square_of(original, SIDE)
    box = left, top, left + width, top + height
    quarter = tuple(side // SCALE for side in box)
    return {
        "dataset": tried.dataset,
        "image": tried.name,
        "spread": tried.spread,
        "size": [width, height],
        "part": [left, top, *whole],
        "thumbnail": thumbnail,
        "files": _cut({"HR": tried.original, **tried.results}, box, whole),
        "lpips": _cut(tried.maps, quarter, [side // SCALE for side in whole]),
    }


def _cut(files: dict[str, Path], box: tuple[int, ...], size: list[int]) -> dict[str, str]:
    """The part of every image that has the size, by run title."""
    parts = {}
    for run, file in files.items():
        image = Image.fromarray(read_rgb(file))
        if list(image.size) == size:
            parts[run] = data_address(image.crop((box[0], box[1], box[2], box[3])), lossless=True)
    return parts
