"""The schema of the tables: which methods, datasets and metrics each holds, and how it is laid out."""

from typing import Literal

from pydantic import Field

from spsr.config.strict import Strict

FORMATS = ("csv", "md", "tex", "html")
"""Suffixes of the files that hold a table."""


class Table(Strict):
    """One table of the paper.

    Attributes:
        title: the caption.
        layout: `methods_across` has a row per dataset and metric and a column per method (Tables 1, 5, 6, 7);
            `methods_down` a row per method and a column per dataset and metric (Tables 2, 3, 4).
        methods: method names in the order of the paper.
        labels: titles that differ from the method's own in this table.
        datasets: benchmark names.
        metrics: metric names; see `Preset.metrics`.
        unranked: methods that the paper leaves out when it marks the best values.
        marks: how many places are marked: 1 the best only, 2 the second best too.
    """

    title: str
    layout: Literal["methods_across", "methods_down"]
    methods: tuple[str, ...] = Field(strict=False)
    labels: dict[str, str] = {}
    datasets: tuple[str, ...] = Field(strict=False)
    metrics: tuple[str, ...] = Field(strict=False)
    unranked: tuple[str, ...] = Field(default=(), strict=False)
    marks: Literal[1, 2] = 2
