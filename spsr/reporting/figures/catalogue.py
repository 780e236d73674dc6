"""Every figure by its name, and what draws it."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from spsr.config import Config
from spsr.config.figure import ORIGINAL, Crop, FigureData, figure_data
from spsr.config.strict import suggestion
from spsr.errors import InputError
from spsr.files import check_outputs
from spsr.progress import Progress, silent
from spsr.reporting.figures import (
    accuracies,
    branch,
    comparison,
    edge,
    features,
    gradients,
    inference,
    losses,
    sampling,
    votes,
)
from spsr.reporting.figures.captions import CAPTIONS
from spsr.reporting.figures.drawn import drawn_now, inputs_of, read_drawn, write_drawn
from spsr.reporting.figures.pictures import image_files
from spsr.reporting.figures.style import COLUMN_WIDTH, QUIET, SUFFIXES, save_figure, style

Write = Callable[[Config, Path], list[Path]]


OF_IMAGES: dict[str, Callable[[Config, FigureData], Figure]] = {
    "figure1": comparison.draw_crops,
    "figure7": comparison.draw_comparison,
    "figure8": gradients.draw_maps_of_results,
    "figure10": gradients.draw_branch,
    "figure11": branch.draw,
    "figure16": comparison.draw_comparison,
    "figure17": comparison.draw_comparison,
    "figure18": comparison.draw_comparison,
    "figure19": comparison.draw_comparison,
    "figure20": gradients.draw_branch_rows,
}
"""What draws each figure of images, from what `configs/figures.yaml` declares or a user asks for."""


def _images(name: str) -> Write:
    def write(config: Config, folder: Path) -> list[Path]:
        return save_figure(OF_IMAGES[name](config, figure_data(name)), folder, name, config.preset.mark)

    return write


def _edge(config: Config, folder: Path) -> list[Path]:
    return save_figure(edge.draw(), folder, "figure4", mark="")


def _drawn(name: str, draw: Callable[[Config], Figure]) -> Write:
    def write(config: Config, folder: Path) -> list[Path]:
        return save_figure(draw(config), folder, name, config.preset.mark)

    return write


FIGURES: dict[str, Write] = {
    "figure1": _images("figure1"),
    "figure4": _edge,
    "figure6": accuracies.draw_figure_6,
    "figure7": _images("figure7"),
    "figure8": _images("figure8"),
    "figure9": _drawn("figure9", votes.draw_collected),
    "figure10": _images("figure10"),
    "figure11": _images("figure11"),
    "figure13": sampling.draw_figure_13,
    "figure14": accuracies.draw_figure_14,
    "figure15": accuracies.draw_figure_15,
    "figure16": _images("figure16"),
    "figure17": _images("figure17"),
    "figure18": _images("figure18"),
    "figure19": _images("figure19"),
    "figure20": _images("figure20"),
    "features": features.draw_features,
    "losses": _drawn("losses", losses.draw),
    "inference": _drawn("inference", inference.draw),
}
"""What draws each figure of a preset into a folder, and returns the files."""


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
        return FIGURES[full_name(name)](config, config.layout.figures)


def draw_asked(config: Config, name: str, crops: Sequence[Crop], methods: Sequence[str], folder: Path) -> list[Path]:
    """Draw a figure of images with other crops or methods than the paper's into `folder`.

    Args:
        crops, methods: what it shows; its own where there are none.

    Raises:
        InputError: it is no figure of images, the preset has no such benchmark or method, or a file would replace what
            figures are drawn from.
    """
    full = full_name(name)
    if full not in OF_IMAGES:
        raise InputError(f"figure '{name}': shows no images; name one of {', '.join(OF_IMAGES)}")
    for crop in crops:
        config.require_benchmark(crop.dataset)
    for method in methods:
        if method != ORIGINAL:
            config.method(method)
    outputs: dict[str, Path | None] = {f"{full}.{suffix}": folder / f"{full}.{suffix}" for suffix in SUFFIXES}
    check_outputs(outputs, [config.path, *image_files(config)])
    asked = {key: tuple(value) for key, value in (("crops", crops), ("methods", methods)) if value}
    with style():
        figure = OF_IMAGES[full](config, figure_data(full).model_copy(update=asked))
        return save_figure(figure, folder, full, config.preset.mark)


def draw_all(config: Config, progress: Progress = silent) -> dict[str, str]:
    """Draw every figure that is not as it would be drawn now; what has nothing to show is a blank that says why.

    What stands is only given the time of now, by which the workflow knows that it was looked at.

    Returns:
        These reasons, by figure.
    """
    folder = config.layout.figures
    drawn = read_drawn(folder)
    for done, name in enumerate(FIGURES):
        progress(done, len(FIGURES), name)
        inputs = inputs_of(config, name)
        if name in drawn and drawn[name].stands(folder, inputs):
            for file in drawn[name].files:
                (folder / file).touch()
            continue
        try:
            drawn[name] = drawn_now(inputs, draw(config, name))
        except InputError as error:
            with style():
                files = save_figure(_blank(name, str(error)), folder, name, config.preset.mark)
            drawn[name] = drawn_now(inputs, files, str(error))
        write_drawn(folder, drawn)
    progress(len(FIGURES), len(FIGURES), "")
    return {name: drawn[name].reason for name in FIGURES if drawn[name].reason}


def _blank(name: str, reason: str) -> Figure:
    """The caption and, as a sentence, why there is nothing to show: an error's text without its place."""
    sentence = (reason.partition(": ")[2] or reason).replace("`", "")
    figure = plt.figure(figsize=(COLUMN_WIDTH, 1.2))
    figure.text(0.5, 0.75, textwrap.fill(CAPTIONS[name], 50), ha="center", va="center", weight="bold")
    text = textwrap.fill(f"{sentence[0].upper()}{sentence[1:]}.", 60)
    figure.text(0.5, 0.45, text, ha="center", va="center", color=QUIET)
    return figure
