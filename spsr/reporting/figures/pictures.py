"""Which parts of which images a figure shows, and the pixels of each method there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spsr.config import Config
from spsr.config.figure import FIGURES_FILE, ORIGINAL, Crop, FigureData
from spsr.errors import InputError
from spsr.images import RGB, image_index, images_by_name, plain_name, read_rgb
from spsr.metrics import METRICS
from spsr.pipeline.roster import belongs
from spsr.results.scores import read_scores

Sample = TypeVar("Sample", bound=np.generic)

_LEAST_SIDE = 112
"""Of a square that is chosen, in pixels: a smaller part of a small image shows nothing that a person recognises."""


@dataclass(frozen=True)
class Picture:
    """A part of a prepared test image.

    Attributes:
        hr: the whole original, uint8 H×W×3.
        box: left, top, width, height in HR pixels, multiples of 4.
        asked: whether it is the image that the figure asks for.
    """

    dataset: str
    image: str
    hr: RGB
    box: tuple[int, int, int, int]
    asked: bool

    def cut(self, image: NDArray[Sample]) -> NDArray[Sample]:
        """The part of an array of the HR image's size."""
        left, top, width, height = self.box
        return image[top : top + height, left : left + width]


def find(config: Config, crop: Crop, position: int) -> Picture | None:
    """The picture of the crop at `position` in its figure; None if its benchmark is not prepared."""
    if crop.dataset not in config.preset.data.benchmarks:
        return None
    folder = config.layout.benchmark(crop.dataset) / "HR"
    if not folder.is_dir():
        return None
    files = image_index(folder)
    by_name = {plain_name(stem): stem for stem in files}
    asked = crop.image in by_name
    name = by_name[crop.image] if asked else list(files)[position % len(files)]
    hr = read_rgb(files[name])
    box = crop.box if asked and crop.box is not None else _square(hr)
    if box[0] + box[2] > hr.shape[1] or box[1] + box[3] > hr.shape[0]:
        raise InputError(f"{FIGURES_FILE}: the box {list(box)} does not fit into {crop.image}; correct it")
    return Picture(crop.dataset, name, hr, box, asked)


def find_all(config: Config, data: FigureData) -> list[tuple[Crop, Picture | None]]:
    """The picture of every crop of a figure; a crop that would repeat an image is left out."""
    found: list[tuple[Crop, Picture | None]] = []
    seen: set[tuple[str, str]] = set()
    for position, crop in enumerate(data.crops):
        picture = find(config, crop, position)
        if picture is not None:
            if (picture.dataset, picture.image) in seen:
                continue
            seen.add((picture.dataset, picture.image))
        found.append((crop, picture))
    return found


def _square(hr: RGB) -> tuple[int, int, int, int]:
    return strongest_square(hr, min(1.0, max(0.3, _LEAST_SIDE / min(hr.shape[:2]))))


def strongest_square(image: RGB, fraction: float = 0.3) -> tuple[int, int, int, int]:
    """The square with the largest sum of gradients whose side is `fraction` of the shorter side, a multiple of 4."""
    return strongest_square_of(image, max(16, int(fraction * min(image.shape[:2])) // 4 * 4))


def strongest_square_of(image: RGB, side: int) -> tuple[int, int, int, int]:
    """The square of `side` pixels with the largest sum of gradients; the whole of an image that is smaller.

    Squares lie on a grid of 8 pixels. Gradients count at most a quarter of the range, so that one hard edge does
    not outweigh fine structure.
    """
    luma = image.astype(np.float64).mean(axis=2) / 255
    if side > min(luma.shape):
        return 0, 0, luma.shape[1], luma.shape[0]
    vertical, horizontal = np.gradient(luma)
    strength = np.minimum(np.hypot(vertical, horizontal), 0.25)
    sums = np.pad(strength, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    totals = (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side])[::8, ::8]
    top, left = np.unravel_index(int(np.argmax(totals.round(6))), totals.shape)
    return 8 * int(left), 8 * int(top), side, side


def method_files(config: Config, method: str, dataset: str) -> dict[str, Path]:
    """The super-resolved images of a method's first seed by `plain_name`; none if it was not run."""
    if not belongs(config, method):
        return {}
    folder = config.images(method, config.seeds(method)[0], dataset)
    return images_by_name(folder) if folder.is_dir() else {}


def method_pixels(config: Config, method: str, picture: Picture) -> RGB | None:
    """The whole super-resolved image of a method, or `HR`; None if it was not run or has another size."""
    if method == ORIGINAL:
        return picture.hr
    file = method_files(config, method, picture.dataset).get(plain_name(picture.image))
    if file is None:
        return None
    image = read_rgb(file)
    return image if image.shape == picture.hr.shape else None


def image_files(config: Config) -> list[Path]:
    """Every file that a figure of images may read: the originals, and the results of all runs."""
    benchmarks = config.preset.data.benchmarks
    folders = [config.layout.benchmark(dataset) / "HR" for dataset in benchmarks]
    folders += [
        config.images(method, seed, dataset)
        for method in config.methods
        for seed in config.seeds(method)
        for dataset in benchmarks
    ]
    return [file for folder in folders for file in folder.glob("*")]


def scores_line(config: Config, method: str, picture: Picture) -> str:
    """What papers print below a crop: LPIPS and PSNR of the whole image, `0.1234 / 25.678`, by a method's first seed.

    For the original these are the names of the two numbers; empty where the image has no scores.
    """
    metrics = [METRICS["lpips"], METRICS["psnr"]]
    if method == ORIGINAL:
        return " / ".join(metric.title for metric in metrics)
    scores = read_scores(config, method, picture.dataset)
    if scores is None or picture.image not in scores.images:
        return ""
    at = scores.images.index(picture.image)
    return " / ".join(metric.shown(float(scores.values[metric.name][0, at])) for metric in metrics)
