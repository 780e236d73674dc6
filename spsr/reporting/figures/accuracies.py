"""What structure extractors know: Figs. 6, 14 and 15, from their probes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from spsr.config import Config
from spsr.errors import InputError
from spsr.reporting.figures.style import INK, PAGE_WIDTH, PALETTE, QUIET, constrained, save_figure, typeset, write_data
from spsr.training.extraction.probe import CHANCE
from spsr.training.extraction.probe_file import read_probe

TASKS = {"contrastive": "contrastive prediction", "jigsaw": "jigsaw puzzles"}
_BY_SAMPLING = ("nse_p_h", "nse_p_v", "nse_p_c")


def draw_figure_6(config: Config, out: Path) -> list[Path]:
    """Figure 6: accuracy of F_P and F_J on both tasks; and what the paper does not show, that of untrained and
    ImageNet features. Writes `figure6.png`, `figure6.pdf` and `figure6.csv`.

    Raises:
        InputError: no extractor has been probed.
    """
    names = [name for name in config.extractors if name not in ("nse_p_v", "nse_p_c")]
    return _draw(config, out, "figure6", names, ("contrastive", "jigsaw"))


def draw_figure_14(config: Config, out: Path) -> list[Path]:
    """Figure 14: contrastive prediction by the sampling of F_P, each tested with its own. As `draw_figure_6`."""
    return _draw(config, out, "figure14", _BY_SAMPLING, ("contrastive",))


def draw_figure_15(config: Config, out: Path) -> list[Path]:
    """Figure 15: jigsaw puzzles by the sampling of F_P. As `draw_figure_6`."""
    return _draw(config, out, "figure15", _BY_SAMPLING, ("jigsaw",))


def probes(config: Config, names: Iterable[str], tasks: Sequence[str]) -> pd.DataFrame:
    """Every repeat of every probed extractor among `names`, in their order.

    Columns: extractor, title, task, dataset, repeat, accuracy, n (patches).
    """
    files = [config.layout.probe(name) for name in names]
    found = [read_probe(file) for file in files if file.is_file()]
    if not found:
        raise InputError(f"{files[0].parent}: no extractor has been probed; run `spsr probe {files[0].stem}`")
    repeats = pd.concat(found, ignore_index=True)
    repeats.insert(1, "title", repeats["extractor"].map(lambda name: config.extractor(name).title))
    return repeats[repeats["task"].isin(tasks)]


def summarise(repeats: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over repeats, with the accuracy of a guess.

    Columns: extractor, title, task, dataset, mean, sd, repeats, n (patches), chance.
    """
    groups = repeats.groupby(["extractor", "title", "task", "dataset"], sort=False)
    summary = groups.agg(
        mean=("accuracy", "mean"), sd=("accuracy", "std"), repeats=("repeat", "size"), n=("n", "first")
    ).reset_index()
    return summary.fillna({"sd": 0.0}).assign(chance=summary["task"].map(CHANCE))


def _draw(config: Config, out: Path, name: str, names: Sequence[str], tasks: Sequence[str]) -> list[Path]:
    repeats = probes(config, names, tasks)
    titles = [typeset(config.extractor(each).title) for each in config.extractors]
    colours = dict(zip(titles, (colour for colour in PALETTE if colour != "#000000"), strict=True))
    figure = constrained(PAGE_WIDTH, 0.45 + 2.1 * len(tasks))
    panels = figure.subplots(len(tasks), squeeze=False)[:, 0]
    for axes, task in zip(panels, tasks, strict=True):
        _bars(axes, repeats[repeats["task"] == task], task, colours)
    count = repeats["repeat"].nunique()
    explained = f"Bars and numbers: mean of {count} repeats. Thin lines: one standard deviation to either side."
    panels[-1].set_xlabel(explained, fontsize=6, color=QUIET)
    written = save_figure(figure, out, name, config.preset.mark)
    return [*written, write_data(summarise(repeats), out / f"{name}.csv")]


def _bars(axes: Axes, repeats: pd.DataFrame, task: str, colours: dict[str, str]) -> None:
    """Bars grouped by dataset, whiskers of one standard deviation over repeats, a dashed line at chance."""
    sns.barplot(
        repeats.assign(percent=100 * repeats["accuracy"], title=repeats["title"].map(typeset)),
        x="dataset",
        y="percent",
        hue="title",
        palette=colours,
        hue_order=list(dict.fromkeys(repeats["title"].map(typeset))),
        saturation=1,
        errorbar="sd",
        err_kws={"color": INK, "linewidth": 0.8},
        ax=axes,
    )
    for bar in (bar for bars in axes.containers for bar in bars):
        # The value stands at the end of its bar, beside the whisker.
        end = bar.get_x() + bar.get_width() / 2, bar.get_height()
        axes.annotate(
            f"{bar.get_height():.1f}",
            end,
            xytext=(1.5, 1),
            textcoords="offset points",
            va="bottom",
            ha="left",
            rotation=90,
            fontsize=5,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
        )
    chance = CHANCE[task]
    axes.axhline(100 * chance, color=INK, linestyle="--", linewidth=0.8)
    axes.annotate(
        f"chance 1/{round(1 / chance)}",
        (1, 100 * chance),
        xycoords=("axes fraction", "data"),
        xytext=(2, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
    )
    axes.set(xlabel="", ylabel="top-1 accuracy (%)")
    axes.set_title(TASKS[task], loc="left")
    axes.margins(y=0.12)
    place = {"bbox_to_anchor": (1.0, 1.0), "ncols": len(axes.containers)}
    sns.move_legend(axes, "lower right", **place, frameon=False, title=None)
