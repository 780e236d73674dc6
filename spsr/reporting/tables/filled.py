"""The cells of a table: the paper's number, ours, the difference, and which are best."""

import math
from dataclasses import dataclass, field, replace

from spsr.config import Config, Table
from spsr.config.settings import MAP_PROVIDERS
from spsr.metrics import Metric
from spsr.metrics.measured import metric_of
from spsr.results.intervals import interval
from spsr.results.paper import CellKey, paper_values
from spsr.results.scores import check_comparable, read_scores, why_absent
from spsr.results.statistics import against_parent

REMARK = "§"
"""Stands at the name of every method of which the notes say more."""

FOREIGN = "‡"
"""Stands at the name of every method whose results were brought along."""


@dataclass(frozen=True)
class Cell:
    """One number of a table beside the paper's.

    Attributes:
        key: its place.
        paper: as the paper prints it; None for rows that the paper does not have.
        value: the mean over seeds of the means over images; None if it was not run.
        interval: 95 % interval of `value`; None where there is nothing to resample.
        absent: why there is no value; empty if there is one.
        place, paper_place: 1 for the best and 2 for the second best of our, or the paper's, values; else 0.
        like_parent: whether a difference from the method that it extends, in the same table, is not supported by
            the images; None if there is no such method, or too few images to tell.
    """

    key: CellKey
    paper: str | None
    value: float | None = None
    interval: tuple[float, float] | None = None
    n_images: int = 0
    n_seeds: int = 0
    absent: str = ""
    place: int = 0
    paper_place: int = 0
    like_parent: bool | None = None

    @property
    def metric(self) -> Metric:
        """What is known of its metric."""
        return metric_of(self.key.metric)

    @property
    def delta(self) -> float | None:
        """Ours minus the paper's."""
        return self.value - float(self.paper) if self.value is not None and self.paper is not None else None

    @property
    def better(self) -> bool | None:
        """Whether ours is the better number; None if the two cannot be compared or show the same digits."""
        if self.delta is None or round(self.delta, self.metric.digits) == 0:
            return None
        return self.metric.better(self.delta, 0)


@dataclass(frozen=True)
class FilledTable:
    """A table of the paper with our numbers in it.

    Attributes:
        name: `table1` to `table7`.
        table: its declaration.
        mark: what a reader must know of our numbers; empty for the paper's own settings.
        titles: the printed name of each method; a foreign one's ends with `FOREIGN`.
        foreign: where the results of each foreign method come from, by its printed name.
        remarks: what a reader must know of a method, by its printed name, which ends with `REMARK`.
        cells: by method, dataset and metric, in the order of the declaration.
    """

    name: str
    table: Table
    mark: str
    titles: dict[str, str]
    cells: dict[tuple[str, str, str], Cell]
    foreign: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        """`Table 1: …`."""
        return f"{self.name.replace('table', 'Table ')}: {self.table.title}"


def places(values: dict[str, float], lower_is_better: bool, marks: int) -> dict[str, int]:
    """The place of each value that is among the `marks` best; equal values share a place. One value has none."""
    comparable = {name: value for name, value in values.items() if not math.isnan(value)}
    if len(comparable) < 2:
        return {}
    order = sorted(set(comparable.values()), reverse=not lower_is_better)
    return {name: order.index(v) + 1 for name, v in comparable.items() if order.index(v) < marks}


def fill(config: Config, name: str) -> FilledTable:
    """Table `name` of a preset, from the scores that there are."""
    table = config.table(name)
    paper = paper_values()
    cells: dict[tuple[str, str, str], Cell] = {}
    for method in table.methods:
        compared = against_parent(config, method) if config.method(method).extends in table.methods else {}
        for dataset in table.datasets:
            scores = read_scores(config, method, dataset)
            for metric in table.metrics:
                key = CellKey(name, method, dataset, metric)
                cell = Cell(key, paper.get(key))
                if scores is None:
                    cell = replace(cell, absent=why_absent(config, method, dataset))
                elif metric not in scores.values or math.isnan(
                    mean := float(scores.values[metric].mean(axis=1).mean())
                ):
                    cell = replace(cell, absent=f"{metric_of(metric).title} was not measured")
                else:
                    cell = replace(
                        cell,
                        value=mean,
                        interval=interval(scores.values[metric]),
                        n_images=len(scores.images),
                        n_seeds=len(scores.seeds),
                        like_parent=None
                        if (dataset, metric) not in compared
                        else not compared[dataset, metric].supported,
                    )
                cells[method, dataset, metric] = cell
    for dataset in table.datasets:
        check_comparable(dataset, {method: read_scores(config, method, dataset) for method in table.methods})
        for metric in table.metrics:
            _place(cells, table, dataset, metric)
    titles = {method: table.labels.get(method, config.method(method).title) for method in table.methods}
    foreign: dict[str, str] = {}
    remarks: dict[str, str] = {}
    for method in table.methods:
        declared = config.method(method)
        if declared.source == "foreign":
            titles[method] += f" {FOREIGN}"
            place = f"images in {declared.images}" if declared.images else f"checkpoint {declared.checkpoint}"
            foreign[titles[method]] = place
        elif text := remark(config, method):
            titles[method] += f" {REMARK}"
            remarks[titles[method]] = text
    return FilledTable(name, table, config.preset.mark, titles, cells, foreign, remarks)


def remark(config: Config, name: str) -> str:
    """What a reader must know of a method beyond the preset's mark: how SFTGAN sees what an image shows."""
    maps, folder = config.maps(name), config.preset.probability_maps.get(name)
    if maps is None:
        return ""
    text = MAP_PROVIDERS[maps] if folder is None else f"probability maps from {folder}"
    return f"{text}; trained without the OutdoorScene images" if config.method(name).source == "trained" else text


def _place(cells: dict[tuple[str, str, str], Cell], table: Table, dataset: str, metric: str) -> None:
    """Mark the best of one dataset and metric, among our values and among the paper's, by the digits shown."""
    ranked = [method for method in table.methods if method not in table.unranked]
    row = {method: cells[method, dataset, metric] for method in ranked}
    known = metric_of(metric)
    ours = {m: round(c.value, known.digits) for m, c in row.items() if c.value is not None}
    theirs = {m: float(c.paper) for m, c in row.items() if c.paper is not None}
    our_places = places(ours, known.lower_is_better, table.marks)
    their_places = places(theirs, known.lower_is_better, table.marks)
    for method, cell in row.items():
        cells[method, dataset, metric] = replace(
            cell, place=our_places.get(method, 0), paper_place=their_places.get(method, 0)
        )
