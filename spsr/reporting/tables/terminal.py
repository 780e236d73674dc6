"""A table for a terminal of 80 columns: our numbers of the first two metrics, a row a method."""

from rich import box
from rich.table import Table
from rich.text import Text

from spsr.metrics.measured import metric_of
from spsr.reporting.tables.filled import Cell, FilledTable

_SHOWN = 2
_BEST = "*"


def to_terminal(filled: FilledTable) -> Table:
    """Rows of methods, a column a dataset; the best numbers are bold and end with `*`."""
    declared = filled.table
    metrics = declared.metrics[:_SHOWN]
    heading = " / ".join(metric_of(name).head for name in metrics)
    marked = f". {filled.mark[0].upper()}{filled.mark[1:]}" if filled.mark else ""
    table = Table(
        title=f"{filled.heading}: {heading}",
        caption=f"{_BEST} best of each column{marked}",
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("", no_wrap=True)
    for dataset in declared.datasets:
        table.add_column(dataset, justify="right", no_wrap=True)
    for method in declared.methods:
        numbers = [
            Text(" ").join(_number(filled.cells[method, dataset, metric]) for metric in metrics)
            for dataset in declared.datasets
        ]
        table.add_row(filled.titles[method], *numbers)
    return table


def _number(cell: Cell) -> Text:
    if cell.value is None:
        return Text("–", style="dim")
    shown = f"{cell.value:.{min(cell.metric.digits, 3)}f}" if abs(cell.value) < 1 else f"{cell.value:.2f}"
    best = cell.place == 1
    return Text(f"{shown.removeprefix('0')}{_BEST if best else ' '}", style="bold" if best else "")
