"""For each of the paper's cells: reproduced, differs (by how much, and the likely cause), or not run."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from spsr.config import Config
from spsr.reporting.tables.filled import Cell, FilledTable
from spsr.results.paper import decimals

Outcome = Literal["reproduced", "differs", "not run"]
OUTCOMES: tuple[Outcome, ...] = ("reproduced", "differs", "not run")


@dataclass(frozen=True)
class Verdict:
    """The verdict on one cell.

    Attributes:
        cause: why it differs or was not run; empty if it is reproduced.
    """

    cell: Cell
    outcome: Outcome
    cause: str = ""


def verdict(config: Config, cell: Cell) -> Verdict:
    """Compare one cell with the paper.

    A training may miss the paper's number by the metric's tolerance; what is computed or released must agree to the
    last digit. On other test images than the paper's, nothing counts as reproduced.
    """
    if cell.value is None or cell.delta is None or cell.paper is None:
        return Verdict(cell, "not run", cell.absent)
    causes = likely_causes(config, cell)
    tolerance = cell.metric.tolerance
    if config.method(cell.key.method).source in ("computed", "released"):
        tolerance = 1.01 * 10.0 ** -decimals(cell.paper)
    if abs(cell.delta) <= tolerance and not _other_images(config, cell.key.dataset):
        return Verdict(cell, "reproduced")
    return Verdict(cell, "differs", "; ".join(causes))


def _other_images(config: Config, dataset: str) -> bool:
    return config.preset.data.benchmarks[dataset].dataset != dataset


def likely_causes(config: Config, cell: Cell) -> list[str]:
    """What may explain a difference, the most likely first."""
    preset, method = config.preset, config.method(cell.key.method)
    causes = []
    if _other_images(config, cell.key.dataset):
        causes.append(f"data: these are not the images of {cell.key.dataset}")
    if method.source == "trained":
        if [source.dataset for source in preset.data.training_sources] != ["DIV2K"]:
            causes.append("data: not trained on DIV2K")
        if preset.mark:
            causes.append(f"schedule: {preset.mark}")
        if not causes:
            causes.append("training: seed, or a choice that the paper leaves open")
    elif not causes:
        causes.append({"computed": "protocol", "released": "weights"}.get(method.source, "another model"))
    return causes


def verdicts(config: Config, tables: list[FilledTable]) -> list[Verdict]:
    """The verdict on every cell that the paper has."""
    return [verdict(config, cell) for table in tables for cell in table.cells.values() if cell.paper is not None]


def count_outcomes(found: list[Verdict]) -> dict[Outcome, int]:
    """Number of cells by outcome."""
    counts = Counter(item.outcome for item in found)
    return {outcome: counts[outcome] for outcome in OUTCOMES}
