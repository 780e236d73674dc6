"""One test image for the figures that explain the structure extractors."""

import numpy as np

from spsr.config import Config
from spsr.errors import InputError
from spsr.images import RGB, image_index, read_rgb
from spsr.models.nse import STRIDE

_LONGEST_SIDE = 512


def photograph(config: Config) -> RGB:
    """The image with the strongest edges of the first benchmark, its centre if it is large."""
    dataset = next(iter(config.preset.data.benchmarks))
    folder = config.layout.benchmark(dataset) / "HR"
    if not folder.is_dir():
        raise InputError(f"{folder}: no prepared benchmark; run `spsr prepare {dataset} --configfile {config.path}`")
    images = [centre(read_rgb(file), _LONGEST_SIDE) for file in image_index(folder).values()]
    return max(images, key=lambda image: float(np.abs(np.diff(image.astype(int), axis=0)).mean()))


def square(config: Config, side: int) -> RGB:
    """The centre of that image; grey where it is smaller."""
    image = photograph(config)
    if min(image.shape[:2]) < side:
        return np.full((side, side, 3), 235, dtype=np.uint8)
    return centre(image, side)


def centre(image: RGB, side: int) -> RGB:
    """The part of an image around its centre, at most `side` pixels high and wide."""
    top, left = (max(0, (length - side) // 2) // STRIDE * STRIDE for length in image.shape[:2])
    return image[top : top + side, left : left + side]
