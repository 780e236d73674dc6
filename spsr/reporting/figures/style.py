"""One look for all figures: readable at the width of a column, in colours that colour-blind readers can tell apart."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from spsr.files import atomic_path

COLUMN_WIDTH, PAGE_WIDTH = 3.5, 7.16
"""Inches, in the journal's layout."""

MARK_HEIGHT = 0.16
"""Inches at the bottom of every figure, where the mark of a reduced preset stands."""

SUFFIXES = ("png", "pdf")
"""Of the files of every figure."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
"""Okabe and Ito's colours."""

INK, QUIET, GAP = "#1d2733", "#5c6b7a", "#eef1f4"

_SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "image.interpolation": "nearest",
    "pdf.fonttype": 42,
    "savefig.dpi": 250,
    "figure.dpi": 100,
}


@contextmanager
def style() -> Iterator[None]:
    """Within the block, figures are drawn without a display and in the common look."""
    matplotlib.use("Agg")
    with matplotlib.rc_context(_SETTINGS):
        yield


def constrained(width: float, height: float) -> Figure:
    """A figure, sizes in inches, whose panels fill it but for the line of the mark."""
    foot = MARK_HEIGHT / height
    return plt.figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=(0, foot, 1, 1 - foot)))


def save_figure(figure: Figure, folder: Path, name: str, mark: str) -> list[Path]:
    """Write `NAME.png` and `NAME.pdf` and close the figure; the same figure gives the same bytes.

    Args:
        mark: what a reader must know of results that were not made with the paper's settings; it stands in the
            lowest `MARK_HEIGHT`.
    """
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    if mark:
        place = MARK_HEIGHT / 2 / figure.get_figheight()
        text = figure.text(0.5, place, f"† {mark}", ha="center", va="center", fontsize=6, style="italic", color=QUIET)
        text.set_fontsize(6 * min(1, 0.94 * figure.bbox.width / text.get_window_extent().width))
    written = []
    for suffix, metadata in zip(SUFFIXES, ({"Software": None}, {"CreationDate": None}), strict=True):
        target = folder / f"{name}.{suffix}"
        with atomic_path(target) as temporary:
            figure.savefig(temporary, metadata=metadata)
        written.append(target)
    plt.close(figure)
    return written


def typeset(title: str) -> str:
    """A name with its subscript set as one: `F_P-h` as F with a small P, and `-h` behind it."""
    return re.sub(r"\b([A-Z])_([A-Z])\b", r"$\1_\2$", title)


def write_data(data: pd.DataFrame, path: Path) -> Path:
    """Write what a figure shows as CSV, atomically."""
    with atomic_path(path) as temporary:
        data.to_csv(temporary, index=False, float_format="%.6g")
    return path
