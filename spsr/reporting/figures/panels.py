"""Panels of images: a picture with its name below, or a visible gap."""

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

GAP_WIDTH, LABEL_HEIGHT, EDGE = 0.05, 0.16, 0.03
"""Inches between panels, of the line of text below each row, and around the figure."""


class Sheet:
    """A figure of equal square cells with a line of text below each row; panels may span several cells.

    Args:
        rows, columns: of cells.
        width: of the figure in inches.
    """

    def __init__(self, rows: int, columns: int, width: float) -> None:
        self._cell = (width - 2 * EDGE - (columns - 1) * GAP_WIDTH) / columns
        self._height = rows * (self._cell + LABEL_HEIGHT) + EDGE + MARK_HEIGHT
        self._width = width
        self.figure: Figure = plt.figure(figsize=(width, self._height))

    def panel(self, row: int, column: int, span: int = 1) -> Axes:
        """Axes over `span`×`span` cells whose upper left one is at `row`, `column`."""
        side = span * self._cell + (span - 1) * GAP_WIDTH
        tall = span * self._cell + (span - 1) * LABEL_HEIGHT
        left = EDGE + column * (self._cell + GAP_WIDTH)
        bottom = self._height - EDGE - row * (self._cell + LABEL_HEIGHT) - tall
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
) -> None:
    """Draw an image (uint8 H×W×3, or a map H×W in [0, 1]) with its title below; without one, a gap that says why."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(title, labelpad=1.5, color=INK, loc=loc)
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
