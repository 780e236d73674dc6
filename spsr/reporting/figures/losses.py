"""Loss curves: a small panel for each finished training, one colour for each term."""

import math
from typing import TYPE_CHECKING, Any

from spsr.config import Config
from spsr.reporting.figures.style import MARK_HEIGHT, PAGE_WIDTH, PALETTE, QUIET
from spsr.results.runs import Run, finished_runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 5
_STYLES = ("-", "--", ":")
_LOGITS = ("/real", "/fake")
"""Ends of the names of discriminators' mean outputs, which are logged with the losses but are none."""
_FOOT = 0.85
"""Inches below the panels: the axis title, the legend and the mark."""


def curves(run: Run) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of each term of a run; values that a logarithm cannot show are left out."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for event in run.events:
        for term, value in event["losses"].items():
            if not term.endswith(_LOGITS) and value > 0 and math.isfinite(value):
                steps, values = found.setdefault(term, ([], []))
                steps.append(event["step"])
                values.append(value)
    return found


def draw(config: Config) -> "Figure":
    """Every finished training of the first seed."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

    runs = [run for run in finished_runs(config) if run.events and run.seed == config.seeds(run.name)[0]]
    by_run = {run.name: curves(run) for run in runs}
    terms = list(dict.fromkeys(term for found in by_run.values() for term in found))
    looks = {
        term: (PALETTE[i % len(PALETTE)], _STYLES[i // len(PALETTE) % len(_STYLES)]) for i, term in enumerate(terms)
    }
    rows = max(1, math.ceil(len(runs) / COLUMNS))
    height = 1.05 * rows + _FOOT
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(PAGE_WIDTH, height), squeeze=False)
    figure.subplots_adjust(
        left=0.055, right=0.995, bottom=(_FOOT + 0.12) / height, top=1 - 0.17 / height, wspace=0.28, hspace=0.55
    )
    for axis, run in zip(axes.flat, runs, strict=False):
        for term, (steps, values) in by_run[run.name].items():
            colour, line = looks[term]
            axis.plot(steps, values, color=colour, linestyle=line, linewidth=0.9, label=term)
        axis.set_yscale("log")
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        declared = run.declared
        axis.set_title(declared.title, pad=2)
        axis.tick_params(length=2, pad=1)
    for axis in axes.flat[len(runs) :]:
        axis.set_axis_off()
    if not runs:
        axes[0, 0].text(0, 0.5, "no finished training", color=QUIET, style="italic")
        return figure
    lines: dict[str, Any] = {}
    for axis in axes.flat[: len(runs)]:
        lines.update(zip(axis.get_legend_handles_labels()[1], axis.get_legend_handles_labels()[0], strict=True))
    figure.legend(
        [lines[term] for term in terms if term in lines],
        [term for term in terms if term in lines],
        loc="lower center",
        bbox_to_anchor=(0.5, MARK_HEIGHT / height),
        ncols=min(5, len(terms)),
        frameon=False,
    )
    figure.text(0.5, (_FOOT - 0.05) / height, "step", ha="center", va="top")
    figure.text(0.004, 0.5, "loss", rotation=90, va="center")
    return figure
