"""A filled table as rows of text, in the layout of the paper; the markup is left to the caller."""

from collections.abc import Callable
from dataclasses import dataclass

from spsr.metrics.measured import metric_of
from spsr.reporting.tables.filled import Cell, FilledTable
from spsr.reporting.tables.notes import NOT_RUN

Kind = str
KINDS: tuple[Kind, ...] = ("ours", "paper", "delta")
KIND_TITLES = {"ours": "ours", "paper": "paper", "delta": "Δ"}
ABSENT = "–"


@dataclass(frozen=True)
class Grid:
    """Plain text of a table.

    Attributes:
        header: titles of all columns; the first `labels` columns hold labels.
        groups: blocks of rows that belong together.
    """

    header: list[str]
    labels: int
    groups: list[list[list[str]]]


def number(cell: Cell, kind: Kind) -> str:
    """One line of a cell as plain text, without marks."""
    if kind == "ours":
        return NOT_RUN if cell.value is None else cell.metric.shown(cell.value)
    if kind == "paper":
        return ABSENT if cell.paper is None else cell.paper
    return ABSENT if cell.delta is None else cell.metric.shown_difference(cell.delta)


def grid(filled: FilledTable, decorate: Callable[[Cell, Kind, str], str], escape: Callable[[str], str] = str) -> Grid:
    """The rows of a table: for each of the paper's rows one of ours, one of the paper's and one of differences.

    Args:
        decorate: turns a cell, the kind of row and its plain number into markup.
        escape: turns a plain label into markup.
    """
    table = filled.table
    columns = [(d, m) for d in table.datasets for m in table.metrics]

    def line(kind: Kind, cells: list[Cell], labels: list[str]) -> list[str]:
        texts = [decorate(cell, kind, number(cell, kind)) for cell in cells]
        return [escape(label) for label in (*labels, KIND_TITLES[kind])] + texts

    if table.layout == "methods_across":
        header = ["Dataset", "Metric", "", *(filled.titles[m] for m in table.methods)]
        groups = [
            [
                line(
                    kind,
                    [filled.cells[method, dataset, metric] for method in table.methods],
                    [dataset, metric_of(metric).head] if kind == "ours" else ["", ""],
                )
                for metric in table.metrics
                for kind in KINDS
            ]
            for dataset in table.datasets
        ]
        return Grid([escape(title) for title in header], 3, groups)
    header = ["Method", "", *(f"{dataset} {metric_of(metric).head}" for dataset, metric in columns)]
    groups = [
        [
            line(
                kind,
                [filled.cells[method, dataset, metric] for dataset, metric in columns],
                [filled.titles[method]] if kind == "ours" else [""],
            )
            for kind in KINDS
        ]
        for method in table.methods
    ]
    return Grid([escape(title) for title in header], 2, groups)
