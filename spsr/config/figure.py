"""The schema of the figures of images: which parts of which images, by which methods."""

from pydantic import Field

from spsr.config.config import CONFIGS
from spsr.config.strict import Strict, validate
from spsr.config.yaml_source import Source
from spsr.errors import InputError

FIGURES_FILE = CONFIGS / "figures.yaml"
ORIGINAL = "HR"
"""The name that stands for the original among a figure's methods."""


class Crop(Strict):
    """A part of a test image.

    Attributes:
        dataset: benchmark.
        image: its name; the benchmark's first image (or next, for later crops of a figure) where it has no such.
        box: left, top, width and height in HR pixels. Without one, or in another image, the square with the
            strongest gradients is taken.
    """

    dataset: str
    image: str
    box: tuple[int, int, int, int] | None = Field(default=None, strict=False)


class FigureData(Strict):
    """What a figure of images shows.

    Attributes:
        crops: parts of images, in order.
        methods: methods, in order; `HR` stands for the original.
    """

    crops: tuple[Crop, ...] = Field(strict=False, min_length=1)
    methods: tuple[str, ...] = Field(default=(), strict=False)


def figure_data(name: str) -> FigureData:
    """The declaration of a figure in `configs/figures.yaml`."""
    source = Source(FIGURES_FILE)
    if name not in source.data:
        raise InputError(f"{FIGURES_FILE}: no entry '{name}'; add its crops and methods")
    return validate(FigureData, source.data[name], source, (name,))
