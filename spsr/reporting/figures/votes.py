"""Fig. 9: what the raters of the user study preferred."""

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from pydantic import FiniteFloat, NonNegativeInt, PositiveInt

from spsr.config import Config
from spsr.data.frames import read_frame
from spsr.errors import InputError, naming
from spsr.reporting.figures.panels import title_of
from spsr.reporting.figures.style import COLUMN_WIDTH, INK, QUIET, constrained

RANKING = "ranking.csv"

_COLUMNS: dict[str, Any] = {
    "method": str,
    **dict.fromkeys(("strength", "low", "high"), FiniteFloat),
    **dict.fromkeys(("raters", "votes"), PositiveInt),
}
_REMEDY = "collect the votes again with `spsr study collect`"


def draw_collected(config: Config) -> Figure:
    """The figure of the votes that `spsr study collect` counted."""
    path = config.layout.study / RANKING
    if not path.is_file():
        raise InputError(f"{path}: no votes yet; make a study with `spsr study create` and collect its votes")
    summary = read_frame(path, _COLUMNS, _REMEDY, others=NonNegativeInt)
    if len(summary.columns) != len(_COLUMNS) + len(summary) or not {*_ranks(summary)} <= {*summary}:
        raise InputError(f"{path}: has not a rank for each of its {len(summary)} methods; {_REMEDY}")
    with naming(path):
        return draw(config, summary)


def draw(config: Config, summary: pd.DataFrame) -> Figure:
    """The share of the votes that gave a method each rank, and its Bradley-Terry strength with its interval.

    Args:
        summary: see `study.ranking.summarise`.
    """
    methods = len(summary)
    names = [title_of(config, name, True) for name in summary["method"]]
    figure = constrained(COLUMN_WIDTH, 0.8 + 0.24 * methods)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _shares(left, summary.assign(method=names))
    left.set_xlabel(f"{summary['votes'].iloc[0]} votes, {summary['raters'].iloc[0]} raters")
    sns.pointplot(x=summary["strength"], y=names, linestyle="none", color=INK, markersize=3, ax=right)
    right.hlines(range(methods), summary["low"], summary["high"], color=INK, linewidth=0.8)
    right.axvline(0, color=QUIET, linewidth=0.5, zorder=0)
    right.set(xlabel="log strength", ylabel="")
    right.tick_params(left=False)
    return figure


def _ranks(summary: pd.DataFrame) -> list[str]:
    return [f"rank{rank}" for rank in range(1, len(summary) + 1)]


def _shares(axes: Axes, summary: pd.DataFrame) -> None:
    """Stacked bars, the best rank on the left, each part with its number of votes where there is room."""
    methods, total = len(summary), int(summary["votes"].iloc[0])
    ranks = _ranks(summary)
    long = summary.melt(id_vars=["method"], value_vars=ranks, var_name="rank", value_name="count")
    sns.histplot(
        long.assign(share=long["count"] / total),
        y="method",
        weights="share",
        hue="rank",
        hue_order=ranks[::-1],
        palette=sns.color_palette("cividis", methods)[::-1],
        multiple="stack",
        discrete=True,
        shrink=0.75,
        alpha=1,
        linewidth=0,
        ax=axes,
    )
    stacked = [bars for bars in axes.containers if isinstance(bars, BarContainer)]
    axes.legend(
        [bars[0] for bars in stacked], [rank.removeprefix("rank") for rank in ranks],
        title="rank", title_fontsize=6, ncols=methods, loc="lower left", bbox_to_anchor=(0, 1), frameon=False,
        handlelength=0.8, columnspacing=0.8, handletextpad=0.3, borderaxespad=0.1,
    )  # fmt: skip
    for rank, bars in zip(ranks, stacked, strict=True):
        texts = [str(count) if count > 0.06 * total else "" for count in summary[rank]]
        colour = "white" if ranks.index(rank) < methods / 2 else INK
        axes.bar_label(bars, texts, label_type="center", fontsize=5, color=colour)
    axes.set(ylabel="", xlim=(0, 1))
    axes.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
