"""How scores look on a terminal."""

import math

import pandas as pd
from rich.table import Table

from spsr.cli.terminal import terminal
from spsr.evaluation.score_files import metrics_in
from spsr.metrics import Metric
from spsr.metrics.measured import metric_of


def print_means(means: pd.DataFrame, lpips: str | None, method: str = "") -> None:
    """Print dataset means (`means_by_dataset`) with the digits of the paper's tables."""
    metrics = _metrics(means)
    title = ": ".join(filter(None, (method, "mean over the images of a dataset")))
    table = _table("dataset", title, metrics, lpips)
    table.add_column("images", justify="right")
    for dataset, row in means.iterrows():
        table.add_row(str(dataset) or "all", *_shown(row, metrics), f"{row['n_images']:.0f}")
    terminal().print(table)


def print_images(frame: pd.DataFrame, lpips: str | None) -> None:
    """Print the scores of each image."""
    metrics = _metrics(frame)
    table = _table("image", "each image", metrics, lpips)
    for _, row in frame.iterrows():
        table.add_row(str(row["image"]), *_shown(row, metrics))
    terminal().print(table)


def print_ladder(rungs: pd.DataFrame) -> None:
    """Print the protocol ladder."""
    table = Table(title="the protocol, step by step", title_justify="left")
    for column in rungs.columns:
        numeric = pd.api.types.is_numeric_dtype(rungs[column])
        table.add_column(str(column).replace("_", " "), justify="right" if numeric else "left")
    for row in rungs.itertuples(index=False):
        table.add_row(*(_decimals(value) if isinstance(value, float) else str(value) for value in row))
    terminal().print(table)


def _metrics(frame: pd.DataFrame) -> dict[str, Metric]:
    return {name: metric_of(name) for name in metrics_in(frame)}


def _table(rows: str, title: str, metrics: dict[str, Metric], lpips: str | None) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(rows, overflow="fold")
    for name, metric in metrics.items():
        table.add_column(f"{metric.title} ({lpips})" if name == "lpips" and lpips else metric.title, justify="right")
    return table


def _shown(row: "pd.Series[float]", metrics: dict[str, Metric]) -> list[str]:
    return ["–" if math.isnan(row[name]) else metric.shown(row[name]) for name, metric in metrics.items()]


def _decimals(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
