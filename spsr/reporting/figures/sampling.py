"""Fig. 13: what anchor, inputs and negatives of each sampling see; and the jigsaw grid."""

from pathlib import Path

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke

from spsr.config import Config
from spsr.images import RGB
from spsr.models.nse import RECEPTIVE_FIELD, STRIDE
from spsr.reporting.figures.photograph import square
from spsr.reporting.figures.style import PAGE_WIDTH, PALETTE, constrained, save_figure, write_data
from spsr.training.extraction.cells import INPUTS, Sampling, candidates, input_cells
from spsr.training.extraction.jigsaw import central_grids

_SAMPLINGS: dict[Sampling, str] = {"h": "h: horizontal", "v": "v: vertical", "c": "c: crossing"}
_HALO: list[AbstractPathEffect] = [withStroke(linewidth=2.6, foreground="white")]
_ANCHOR, _INPUT, _NEGATIVE, _PIECE = PALETTE[1], PALETTE[2], PALETTE[0], PALETTE[3]


def draw_figure_13(config: Config, out: Path) -> list[Path]:
    """Figure 13: what anchor, inputs and negatives of each sampling see on a patch of 200 pixels; and the jigsaw grid.

    Boxes are the windows of 31x31 pixels, dots the cells that are negatives. Writes `figure13.png` and, with the
    number of cells of each kind, `figure13.csv`.
    """
    side = 200
    photograph = square(config, side)
    cells = side // STRIDE
    anchor = torch.tensor([cells // 2, cells // 2])
    rows = []

    figure = constrained(PAGE_WIDTH, 2.3)
    panels = figure.subplots(1, 4)
    for axes, (sampling, title) in zip(panels, _SAMPLINGS.items(), strict=False):
        _show_patch(axes, photograph, title)
        negatives = candidates(anchor, sampling, cells, cells).reshape(cells, cells).nonzero()
        negatives = negatives[(negatives != anchor).any(1)]
        axes.scatter(*(STRIDE * negatives.flip(1).T.numpy()), s=1.2, color=_NEGATIVE, linewidths=0)
        for cell in input_cells(anchor, sampling):
            _window(axes, cell, _INPUT)
        _window(axes, anchor, _ANCHOR)
        axes.set_xlabel(f"{len(INPUTS[sampling])} inputs, {len(negatives):,} negatives")
        rows.append((sampling, side, *anchor.tolist(), len(INPUTS[sampling]), len(negatives)))
    puzzle = photograph[:84, :84]
    _show_patch(panels[3], puzzle, "jigsaw: 2x2 grid")
    for place, cell in enumerate(central_grids(1, 84 // STRIDE)[0, 0]):
        _window(panels[3], cell, _PIECE, str(place))
    panels[3].set_xlabel("24 permutations")
    columns = ["sampling", "patch", "anchor_row", "anchor_column", "inputs", "negatives"]
    data = write_data(pd.DataFrame(rows, columns=columns), out / "figure13.csv")
    return [*save_figure(figure, out, "figure13", mark=""), data]


def _show_patch(axes: Axes, patch: RGB, title: str) -> None:
    pale = 255 - 0.5 * (255 - patch.astype(float).mean(axis=2))
    axes.imshow(pale, cmap="gray", vmin=0, vmax=255)
    axes.set_xlim(-0.5, patch.shape[1] - 0.5)
    axes.set_ylim(patch.shape[0] - 0.5, -0.5)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _window(axes: Axes, cell: torch.Tensor, colour: str, text: str = "") -> None:
    """The box of pixels that a cell sees."""
    row, column = (STRIDE * cell).tolist()
    corner = column - RECEPTIVE_FIELD / 2, row - RECEPTIVE_FIELD / 2
    box = Rectangle(corner, RECEPTIVE_FIELD, RECEPTIVE_FIELD, fill=False, ec=colour, lw=1.6)
    (dot,) = axes.plot(column, row, ".", color=colour, markersize=5)
    label = axes.annotate(text, (column, row), xytext=(3, 3), textcoords="offset points", color=colour, weight="bold")
    for artist in (axes.add_patch(box), dot, label):
        artist.set_path_effects(_HALO)
