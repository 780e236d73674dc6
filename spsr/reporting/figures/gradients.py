"""Gradient maps: of results (Fig. 8), and what the gradient branch makes of the LR map (Figs. 10 and 20)."""

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from spsr.config import Config
from spsr.config.figure import FigureData
from spsr.images import RGB, degrade
from spsr.models.checkpoint import from_checkpoint
from spsr.models.gradient import gradient_map
from spsr.reporting.figures.panels import Sheet, show, show_whole, title_of
from spsr.reporting.figures.pictures import Picture, find, find_all, method_pixels, scores_line
from spsr.reporting.figures.style import COLUMN_WIDTH, PAGE_WIDTH
from spsr.tensors import channels_first

METHOD = "spsr_g"
"""The method whose gradient branch Figs. 10 and 20 show."""


def gradient_of(image: RGB) -> NDArray[np.float64]:
    """The gradient map (eq. 2) of uint8 H×W×3, as H×W in [0, 1] for display: the mean over channels."""

    return _as_map(gradient_map(_as_tensor(image)))


def branch_output(config: Config, picture: Picture) -> NDArray[np.float64] | None:
    """The gradient map that the branch of SPSR-G predicts for a whole image; None if it was not trained."""

    file = config.layout.model(METHOD, config.seeds(METHOD)[0])
    if config.method(METHOD).source != "trained" or not file.is_file():
        return None
    with torch.inference_mode():
        return _as_map(
            from_checkpoint(file, code=config.method(METHOD).code).eval()(_as_tensor(degrade(picture.hr)))[1]
        )


def _as_tensor(image: RGB) -> Tensor:
    return channels_first(image)[None].float() / 255


def _as_map(gradient: Tensor) -> NDArray[np.float64]:
    shown: NDArray[np.float64] = gradient[0].double().mean(dim=0).clamp(0, 1).numpy()
    shown[[0, -1], :] = shown[:, [0, -1]] = 0  # the border of eq. 2 is that of the zeros outside the image
    return shown


def _enlarged(gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """An LR map at HR size, each pixel as a block."""
    return gradient.repeat(4, axis=0).repeat(4, axis=1)


def draw_maps_of_results(config: Config, data: FigureData) -> Figure:
    """Fig. 8: for each image a row of parts, each below its method and scores, and below it their gradient maps."""
    pictures = find_all(config, data)
    sheet = Sheet(len(data.methods), PAGE_WIDTH, [0, 4] * (len(pictures) - 1) + [0, 1], head=2)
    for position, (_, picture) in enumerate(pictures):
        for number, method in enumerate(data.methods):
            pixels = None if picture is None else method_pixels(config, method, picture)
            cut = None if picture is None or pixels is None else picture.cut(pixels)
            cut_map = None if picture is None or pixels is None else picture.cut(gradient_of(pixels))
            where = "" if picture is None or number > 0 else f"{picture.image}, {picture.dataset}"
            scores = "" if picture is None or pixels is None else scores_line(config, method, picture)
            name = f"{title_of(config, method, cut is not None)}\n{scores}"
            show(sheet.panel(2 * position, number), cut, "", above=name)
            show(sheet.panel(2 * position + 1, number), cut_map, where, loc="left")
    return sheet.figure


def draw_branch(config: Config, data: FigureData) -> Figure:
    """Fig. 10: an image, its gradient map, the LR map and the branch's output, in two rows of a column's width."""
    picture = find(config, data.crops[0], 0)
    sheet = Sheet(2, COLUMN_WIDTH, [1, 1])
    for number, (title, image) in enumerate(_stages(config, picture)):
        show(sheet.panel(number // 2, number % 2), image, title)
    return sheet.figure


def draw_branch_rows(config: Config, data: FigureData) -> Figure:
    """Fig. 20: the same four stages as Fig. 10 for several images, one a row, of the marked part."""
    pictures = find_all(config, data)
    sheet = Sheet(5, PAGE_WIDTH, [1] * len(pictures))
    for position, (crop, picture) in enumerate(pictures):
        show_whole(sheet.panel(position, 0), crop, picture)
        for number, (title, image) in enumerate(_stages(config, picture), start=1):
            show(sheet.panel(position, number), None if picture is None or image is None else picture.cut(image), title)
    return sheet.figure


def _stages(config: Config, picture: Picture | None) -> list[tuple[str, NDArray[np.generic] | None]]:
    titles = ["HR", "HR gradient", "LR gradient", f"Branch of {title_of(config, METHOD)}"]
    if picture is None:
        return [(title, None) for title in titles]
    lr_gradient = _enlarged(gradient_of(degrade(picture.hr)))
    images: list[NDArray[np.generic] | None] = [
        picture.hr,
        gradient_of(picture.hr),
        lr_gradient,
        branch_output(config, picture),
    ]
    return list(zip(titles, images, strict=True))
