"""Loss curves: a panel for each term, a line for each training, one colour for a method and its ablations."""

import math
import re

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from spsr.config import Config
from spsr.reporting.figures.style import PAGE_WIDTH, PALETTE, QUIET, constrained
from spsr.results.runs import Run, finished_runs

COLUMNS = 4
_NO_LOSSES = re.compile(r"(^|.+/)(real|fake|mean|sum|sigma|alpha)$|^accuracy/")
"""What is logged with the losses but is none: discriminators' outputs, other scalings, settings, accuracies."""

_DECADES = 4
"""Powers of ten below the largest value that a panel shows; what is smaller is as good as zero."""

_EXTRACTORS = "structure extractors and judge"


def loss_curves(runs: list[Run]) -> pd.DataFrame:
    """A row for each step and term of each run; values that a logarithm cannot show are left out.

    Columns: run, step, term, value.
    """
    rows = [
        (run.title, event["step"], term, value)
        for run in runs
        for event in run.events
        for term, value in event["losses"].items()
        if not _NO_LOSSES.match(term) and value > 0 and math.isfinite(value)
    ]
    return pd.DataFrame(rows, columns=["run", "step", "term", "value"])


def draw(config: Config) -> Figure:
    """Every finished training of the first seed. The line of a method is thicker than those of its ablations."""
    runs = [run for run in finished_runs(config) if run.events and run.seed == config.seeds(run.name)[0]]
    if not runs:
        figure = constrained(PAGE_WIDTH, 1.2)
        figure.text(0.02, 0.5, "no finished training", color=QUIET, style="italic")
        return figure
    family = {run.title: _family(config, run) for run in runs}
    heads = {run.title: run.is_extractor or family[run.title] == run.declared.title for run in runs}
    curves = loss_curves(runs)
    curves = curves.assign(family=curves["run"].map(family), head=curves["run"].map(heads))
    families = [name for name in dict.fromkeys(curves["family"]) if name != _EXTRACTORS]
    colours = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(families)} | {_EXTRACTORS: QUIET}
    terms = list(dict.fromkeys(curves["term"]))
    rows = math.ceil(len(terms) / COLUMNS)
    figure = constrained(PAGE_WIDTH, 1.35 * rows + 0.6)
    panels = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axes, term in zip(panels, terms, strict=False):
        _panel(axes, curves[curves["term"] == term], colours)
        axes.set_title(term)
    for axes in panels[len(terms) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(terms) - COLUMNS) : len(terms)]:
        axes.set_xlabel("step")
    for axes in panels[: len(terms) : COLUMNS]:
        axes.set_ylabel("loss")
    keys = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=keys, loc="outside upper center", ncols=5, frameon=False)
    return figure


def _panel(axes: Axes, curves: pd.DataFrame, colours: dict[str, str]) -> None:
    sns.lineplot(
        curves,
        x="step",
        y="value",
        hue="family",
        palette=colours,
        size="head",
        sizes={True: 1.3, False: 0.6},
        units="run",
        estimator=None,
        legend=False,
        ax=axes,
    )
    axes.set(xlabel="", ylabel="", yscale="log")
    highest, lowest = curves["value"].max(), curves["value"].min()
    bottom, top = max(lowest / 1.3, highest / 10**_DECADES), highest * 1.3
    axes.set_ylim(bottom, top)
    few = MaxNLocator(4) if top < 10 * bottom else LogLocator(subs=(1, 2, 5) if top < 100 * bottom else (1,))
    axes.yaxis.set_major_locator(few)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.tick_params(length=2, pad=1)


def _family(config: Config, run: Run) -> str:
    """The method that others are ablations of, itself or the one that it extends."""
    if run.is_extractor:
        return _EXTRACTORS
    is_parent = any(method.extends == run.name for method in config.methods.values())
    parent = config.method(run.name).extends
    return config.method(run.name if is_parent or parent is None else parent).title
