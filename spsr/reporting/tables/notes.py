"""The lines under a table: marks, protocol, intervals, and why cells are empty."""

from spsr.metrics.measured import metric_of
from spsr.reporting.tables.filled import FOREIGN, REMARK, Cell, FilledTable
from spsr.results.intervals import interval_source

DAGGER = "†"
"""Stands at every number of ours that was not made with the paper's own settings."""

LIKE_PARENT = "≈"
"""Stands at a number of ours whose difference from the method's parent is not supported."""

NOT_RUN = "not run"


def notes(filled: FilledTable, best: str, second: str) -> list[str]:
    """What a reader must know of a table, one plain line each, the most important first.

    Args:
        best, second: how the best and the second best numbers look.
    """
    lines = []
    if filled.mark:
        lines.append(f"{DAGGER} {filled.mark}")
    lines.append(_marking(filled, best, second))
    if filled.foreign:
        listed = "; ".join(f"{title.removesuffix(FOREIGN).strip()}: {place}" for title, place in filled.foreign.items())
        lines.append(f"{FOREIGN} foreign, not trained here but scored by the same protocol ({listed})")
    lines += [f"{REMARK} {title.removesuffix(REMARK).strip()}: {text}" for title, text in filled.remarks.items()]
    if any(cell.like_parent for cell in filled.cells.values()):
        lines.append(
            f"{LIKE_PARENT}: the difference from the method that it is an ablation of is not supported (paired "
            "bootstrap, and Wilcoxon over images with Holm's correction)"
        )
    absent: dict[str, list[str]] = {}
    for (method, _, _), cell in filled.cells.items():
        if cell.absent:
            absent.setdefault(cell.absent, []).append(filled.titles[method])
    lines += [f"{NOT_RUN} ({reason}): {', '.join(dict.fromkeys(methods))}" for reason, methods in absent.items()]
    sizes = {(c.n_seeds, c.n_images) for c in filled.cells.values() if c.value is not None}
    if sources := dict.fromkeys(interval_source(*size) for size in sorted(sizes)):
        lines.append(f"95 % intervals: {'; '.join(sources)}")
    lines += [f"{metric.title}: {metric.protocol}" for metric in map(metric_of, filled.table.metrics)]
    return lines


def marks_behind(filled: FilledTable, cell: Cell) -> str:
    """The marks behind a number of ours."""
    if cell.value is None:
        return ""
    return (LIKE_PARENT if cell.like_parent else "") + (DAGGER if filled.mark else "")


def _marking(filled: FilledTable, best: str, second: str) -> str:
    marks = f"{best}: best" if filled.table.marks == 1 else f"{best}: best, {second}: second best"
    text = f"{marks}, among our numbers and among the paper's"
    if filled.table.unranked:
        text += f" (not ranked: {', '.join(filled.titles[name] for name in filled.table.unranked)})"
    return text
