"""Panels of images: a picture with its name below, or a visible gap."""

from collections.abc import Sequence
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from spsr.config import Config
from spsr.config.figure import Crop
from spsr.reporting.figures.pictures import Picture
from spsr.reporting.figures.style import GAP, INK, MARK_HEIGHT, PALETTE, QUIET

GAP_WIDTH, LINE_HEIGHT, EDGE = 0.05, 0.13, 0.03
"""Inches between panels, of a line of text, and around the figure."""


class Sheet:
    """A figure of equal square cells with lines of text below each row; panels may span several cells.

    Args:
        columns: of cells.
        width: of the figure in inches.
        lines: of text below each row.
        head: lines of text above the first row.
    """

    def __init__(self, columns: int, width: float, lines: Sequence[int], head: int = 0) -> None:
        self._cell = (width - 2 * EDGE - (columns - 1) * GAP_WIDTH) / columns
        self._below = [GAP_WIDTH + LINE_HEIGHT * count for count in lines]
        self._top = EDGE + LINE_HEIGHT * head
        self._height = self._top + len(lines) * self._cell + sum(self._below) + MARK_HEIGHT
        self._width = width
        self.figure: Figure = plt.figure(figsize=(width, self._height))

    def panel(self, row: int, column: int, span: int = 1) -> Axes:
        """Axes over `span`×`span` cells whose upper left one is at `row`, `column`."""
        side = span * self._cell + (span - 1) * GAP_WIDTH
        tall = span * self._cell + sum(self._below[row : row + span - 1])
        left = EDGE + column * (self._cell + GAP_WIDTH)
        bottom = self._height - self._top - row * self._cell - sum(self._below[:row]) - tall
        place = (left / self._width, bottom / self._height, side / self._width, tall / self._height)
        return self.figure.add_axes(place, anchor="N")


def title_of(config: Config, method: str, there: bool = True) -> str:
    """The printed name of a method, with the mark of a reduced preset; HR, bicubic and gaps need none."""
    if method == "HR":
        return "HR"
    made_here = there and config.preset.mark and config.method(method).source != "computed"
    return config.method(method).title + ("†" if made_here else "")


def show(
    axes: Axes,
    image: NDArray[np.generic] | None,
    title: str,
    reason: str = "not run",
    loc: Literal["left", "center"] = "center",
    above: str = "",
) -> None:
    """Draw an image (uint8 H×W×3, or a map H×W in [0, 1]) with text below it and above; without one, a gap that says
    why."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(title, labelpad=1.5, color=INK, loc=loc)
    axes.set_title(above, pad=2.5, color=INK)
    if image is None:
        axes.set_facecolor(GAP)
        axes.text(0.5, 0.5, reason, ha="center", va="center", transform=axes.transAxes, color=QUIET, style="italic")
    elif image.ndim == 2:
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(image)


def show_whole(axes: Axes, crop: Crop, picture: Picture | None) -> None:
    """Draw the whole image with the shown part marked, or a gap if its benchmark is not prepared."""

    if picture is None:
        show(axes, None, f"{crop.image} from {crop.dataset}", "not prepared")
        return
    show(axes, picture.hr, f"{picture.image}, {picture.dataset}", loc="left")
    left, top, width, height = picture.box
    mark = Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=PALETTE[1], linewidth=1.2)
    axes.add_patch(mark)
