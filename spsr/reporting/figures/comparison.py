"""Visual comparison: the same part of an image by every method (Figs. 1, 7 and 16-19 of the paper)."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spsr.config import Config
from spsr.config.figure import FigureData
from spsr.reporting.figures.panels import Sheet, show, show_whole, title_of
from spsr.reporting.figures.pictures import Picture, find, find_all, method_pixels, scores_line
from spsr.reporting.figures.style import COLUMN_WIDTH, PAGE_WIDTH


def draw_crops(config: Config, data: FigureData) -> Figure:
    """Fig. 1: one part of one image, in a grid as wide as a column."""
    picture = find(config, data.crops[0], 0)
    sheet = Sheet(3, COLUMN_WIDTH, [2] * math.ceil(len(data.methods) / 3))
    for number, method in enumerate(data.methods):
        _show_method(config, sheet.panel(number // 3, number % 3), method, picture)
    return sheet.figure


def draw_comparison(config: Config, data: FigureData) -> Figure:
    """Figs. 7 and 16-19: for each image the whole of it on the left, and two rows of the same part by each method."""
    columns = math.ceil(len(data.methods) / 2)
    pictures = find_all(config, data)
    sheet = Sheet(columns + 2, PAGE_WIDTH, [2] * (2 * len(pictures)))
    for position, (crop, picture) in enumerate(pictures):
        show_whole(sheet.panel(2 * position, 0, span=2), crop, picture)
        for number, method in enumerate(data.methods):
            panel = sheet.panel(2 * position + number // columns, 2 + number % columns)
            _show_method(config, panel, method, picture)
    return sheet.figure


def _show_method(config: Config, axes: Axes, method: str, picture: Picture | None) -> None:
    """The part by one method, with its name and the scores of the whole image below; or a gap."""
    pixels = None if picture is None else method_pixels(config, method, picture)
    if picture is None or pixels is None:
        show(axes, None, title_of(config, method, there=False))
        return
    show(axes, picture.cut(pixels), f"{title_of(config, method)}\n{scores_line(config, method, picture)}")
