"""Fig. 9: what the raters of the user study preferred."""

from typing import TYPE_CHECKING

import pandas as pd

from spsr.config import Config
from spsr.errors import InputError
from spsr.reporting.figures.panels import title_of
from spsr.reporting.figures.style import COLUMN_WIDTH, INK, MARK_HEIGHT, QUIET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RANKING = "ranking.csv"


def draw_collected(config: Config) -> "Figure":
    """The figure of the votes that `spsr study collect` counted."""
    path = config.layout.study / RANKING
    if not path.is_file():
        raise InputError(f"{path}: no votes yet; make a study with `spsr study create` and collect its votes")
    return draw(config, pd.read_csv(path))


def draw(config: Config, summary: pd.DataFrame) -> "Figure":
    """The share of the votes that gave a method each rank, and its Bradley-Terry strength with its interval.

    Args:
        summary: see `study.ranking.summarise`.
    """
    import matplotlib.pyplot as plt

    methods = len(summary)
    places = range(methods)
    figure, (left, right) = plt.subplots(
        1, 2, sharey=True, figsize=(COLUMN_WIDTH, 0.75 + 0.24 * methods), width_ratios=(3, 2)
    )
    colours = plt.get_cmap("cividis").resampled(methods)
    votes = summary["votes"].to_numpy()
    start = 0 * votes
    for rank in range(1, methods + 1):
        count = summary[f"rank{rank}"].to_numpy()
        bars = left.barh(
            places, count / votes, left=start / votes, color=colours(rank - 1), label=str(rank), height=0.75
        )
        texts = [str(n) if n > 0.06 * total else "" for n, total in zip(count, votes, strict=True)]
        left.bar_label(bars, texts, label_type="center", fontsize=5, color="white" if rank <= methods / 2 else INK)
        start = start + count
    left.set_yticks(places, [title_of(config, name, True) for name in summary["method"]])
    left.invert_yaxis()
    left.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    left.set_xlabel(f"{votes[0]} votes, {summary['raters'].iloc[0]} raters")
    left.legend(
        title="rank", title_fontsize=6, ncols=methods, loc="lower left", bbox_to_anchor=(0, 1), frameon=False,
        handlelength=0.8, columnspacing=0.8, handletextpad=0.3, borderaxespad=0.1,
    )  # fmt: skip
    errors = [summary["strength"] - summary["low"], summary["high"] - summary["strength"]]
    right.errorbar(
        summary["strength"], places, xerr=errors, fmt="o", markersize=3, color=INK, elinewidth=0.8, capsize=2
    )
    right.axvline(0, color=QUIET, linewidth=0.5)
    right.set_xlabel("log strength")
    figure.tight_layout(rect=(0, MARK_HEIGHT / figure.get_figheight(), 1, 1))
    return figure
