"""Every figure by its name: what it shows, and what draws it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spsr.config import Config
from spsr.config.figure import FigureData, figure_data
from spsr.config.validation import suggestion
from spsr.errors import InputError
from spsr.reporting.figures import branch, comparison, edge, gradients, losses, votes
from spsr.reporting.figures.style import COLUMN_WIDTH, save, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Write = Callable[[Config, Path], list[Path]]


@dataclass(frozen=True)
class Entry:
    """One figure.

    Attributes:
        caption: what it shows.
        write: draws it from a preset's results into a folder, and returns the files.
    """

    caption: str
    write: Write


def _images(name: str, draw: Callable[[Config, FigureData], "Figure"]) -> Write:
    """A figure of the images that `configs/figures.yaml` declares under `name`."""

    def write(config: Config, folder: Path) -> list[Path]:
        return save(draw(config, figure_data(name)), folder, name, config.preset.mark)

    return write


def _edge(config: Config, folder: Path) -> list[Path]:
    return save(edge.draw(), folder, "figure4", mark="")


def _losses(config: Config, folder: Path) -> list[Path]:
    return save(losses.draw(config), folder, "losses", config.preset.mark)


def _votes(config: Config, folder: Path) -> list[Path]:
    return save(votes.draw_collected(config), folder, "figure9", config.preset.mark)


def _extractors(function: str) -> Write:
    """A figure of the structure extractors; their module imports torch, so it is imported when it is needed."""

    def write(config: Config, folder: Path) -> list[Path]:
        from spsr.reporting.figures import extractors as extractor_figures

        written: list[Path] = getattr(extractor_figures, function)(config, folder)
        return written

    return write


FIGURES: dict[str, Entry] = {
    "figure1": Entry("SR results of different methods", _images("figure1", comparison.draw_crops)),
    "figure4": Entry("A simple one-dimensional case: edges and their gradients", _edge),
    "figure6": Entry("Accuracy of the structure extractors on both tasks", _extractors("draw_figure_6")),
    "figure7": Entry("Visual comparison", _images("figure7", comparison.draw_comparison)),
    "figure8": Entry("SR results and their gradient maps", _images("figure8", gradients.draw_maps_of_results)),
    "figure9": Entry("What the raters of the user study preferred", _votes),
    "figure10": Entry("Gradient maps and the gradient branch", _images("figure10", gradients.draw_branch)),
    "figure11": Entry("SPSR-G without and with the gradient branch", _images("figure11", branch.draw)),
    "figure13": Entry("Sampling strategies of contrastive prediction", _extractors("draw_figure_13")),
    "figure14": Entry("Contrastive prediction by sampling strategy", _extractors("draw_figure_14")),
    "figure15": Entry("Jigsaw puzzles by sampling strategy", _extractors("draw_figure_15")),
    "figure16": Entry("Visual comparison: Set5 and Set14", _images("figure16", comparison.draw_comparison)),
    "figure17": Entry("Visual comparison: BSD100", _images("figure17", comparison.draw_comparison)),
    "figure18": Entry("Visual comparison: General100", _images("figure18", comparison.draw_comparison)),
    "figure19": Entry("Visual comparison: Urban100", _images("figure19", comparison.draw_comparison)),
    "figure20": Entry("Outputs of the gradient branch", _images("figure20", gradients.draw_branch_rows)),
    "features": Entry("What each structure extractor answers to", _extractors("draw_features")),
    "losses": Entry("Loss curves of every training", _losses),
}


def full_name(name: str) -> str:
    """The name in `FIGURES` for `7`, `figure7` or `losses`; `InputError` with a suggestion if there is none."""
    full = f"figure{name}" if name.isdigit() else name
    if full not in FIGURES:
        raise InputError(f"figure '{name}': not one that can be drawn{suggestion(full, FIGURES)}")
    return full


def draw(config: Config, name: str) -> list[Path]:
    """Draw one figure of a preset into its folder of figures; methods that were not run are visible gaps.

    Raises:
        InputError: there is no such figure, or nothing at all that it could show.
    """
    with style():
        return FIGURES[full_name(name)].write(config, config.layout.figures)


def draw_all(config: Config, progress: Callable[[int, int, str], None] | None = None) -> dict[str, str]:
    """Draw every figure. One that has nothing to show is a blank that says why; these reasons are returned."""
    reasons = {}
    for done, name in enumerate(FIGURES):
        if progress is not None:
            progress(done, len(FIGURES), name)
        try:
            draw(config, name)
        except InputError as error:
            reasons[name] = str(error)
            with style():
                save(_blank(name, str(error)), config.layout.figures, name, config.preset.mark)
    if progress is not None:
        progress(len(FIGURES), len(FIGURES), "")
    return reasons


def _blank(name: str, reason: str) -> "Figure":
    import textwrap

    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(COLUMN_WIDTH, 1.2))
    figure.text(0.5, 0.72, f"{name}: not drawn", ha="center", weight="bold")
    figure.text(0.5, 0.5, textwrap.fill(reason, 60), ha="center", va="center", fontsize=6)
    return figure
