"""What quality costs: LPIPS of each method against the seconds that its network takes."""

import math
import statistics
from itertools import cycle

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from spsr.config import Config
from spsr.errors import InputError
from spsr.evaluation.inference_costs import read_inference
from spsr.models.inference_cost import SIDE
from spsr.reporting.figures.panels import title_of
from spsr.reporting.figures.style import COLUMN_WIDTH, PALETTE, constrained
from spsr.results.runs import Run


def tradeoffs(config: Config) -> pd.DataFrame:
    """A row for each method with a cost and scores; LPIPS is the mean of the benchmarks' means, of the first seed.

    Columns: method, network, seconds, lpips.
    """
    rows = []
    for cost in read_inference(config):
        means = Run(config, cost.method, config.seeds(cost.method)[0]).means
        lpips = [value for name, value in means.items() if name.endswith("/lpips") and not math.isnan(value)]
        if lpips:
            rows.append((cost.method, cost.network, cost.seconds, statistics.fmean(lpips)))
    return pd.DataFrame(rows, columns=["method", "network", "seconds", "lpips"])


def draw(config: Config) -> Figure:
    """A point for each method; of those with one network, which take one time, the best is named.

    Names stand right and left of their points in turn, from the best up: those of neighbours would cover each other.
    """
    data = tradeoffs(config)
    if data.empty:
        raise InputError(f"{config.layout.inference}: nothing to show yet; run `spsr methods --inference`")
    figure = constrained(COLUMN_WIDTH, 2.4)
    axes = figure.subplots()
    sns.scatterplot(
        data, x="seconds", y="lpips", hue="network", palette=sns.color_palette(PALETTE, data["network"].nunique()),
        s=18, linewidth=0, ax=axes,
    )  # fmt: skip
    best = data.loc[data.groupby(["network", "seconds"])["lpips"].idxmin()].sort_values("lpips")
    for row, (side, alignment) in zip(best.itertuples(), cycle([(3, "left"), (-3, "right")]), strict=False):
        axes.annotate(
            title_of(config, str(row.method), True), (row.seconds, row.lpips), (side, -3), textcoords="offset points",
            fontsize=5, ha=alignment, va="top",
        )  # fmt: skip
    axes.set(xscale="log", xlabel=f"seconds for an LR image of {SIDE}×{SIDE}", ylabel="LPIPS, lower is better")
    axes.margins(x=0.15, y=0.12)
    axes.legend(title=None, frameon=False, loc="upper left", bbox_to_anchor=(1, 1), handletextpad=0.1)
    return figure
