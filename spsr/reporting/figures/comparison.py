"""Visual comparison: the same part of an image by every method (Figs. 1, 7 and 16-19 of the paper)."""

import math

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spsr.config import Config
from spsr.config.figure import FigureData
from spsr.reporting.figures.panels import Sheet, show, show_whole, title_of
from spsr.reporting.figures.pictures import Picture, find, find_all, method_pixels
from spsr.reporting.figures.style import COLUMN_WIDTH, PAGE_WIDTH


def draw_crops(config: Config, data: FigureData) -> Figure:
    """Fig. 1: one part of one image, in a grid as wide as a column."""
    picture = find(config, data.crops[0], 0)
    sheet = Sheet(math.ceil(len(data.methods) / 3), 3, COLUMN_WIDTH)
    for number, method in enumerate(data.methods):
        cut = _cut(config, method, picture)
        show(sheet.panel(number // 3, number % 3), cut, title_of(config, method, cut is not None))
    return sheet.figure


def draw_comparison(config: Config, data: FigureData) -> Figure:
    """Figs. 7 and 16-19: for each image the whole of it on the left, and two rows of the same part by each method."""
    columns = math.ceil(len(data.methods) / 2)
    pictures = find_all(config, data)
    sheet = Sheet(2 * len(pictures), columns + 2, PAGE_WIDTH)
    for position, (crop, picture) in enumerate(pictures):
        show_whole(sheet.panel(2 * position, 0, span=2), crop, picture)
        for number, method in enumerate(data.methods):
            panel = sheet.panel(2 * position + number // columns, 2 + number % columns)
            cut = _cut(config, method, picture)
            show(panel, cut, title_of(config, method, cut is not None))
    return sheet.figure


def _cut(config: Config, method: str, picture: Picture | None) -> NDArray[np.generic] | None:
    pixels = None if picture is None else method_pixels(config, method, picture)
    return None if picture is None or pixels is None else picture.cut(pixels)
