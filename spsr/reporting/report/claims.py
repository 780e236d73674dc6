"""The paper's sentences as comparisons, checked on its own numbers and on ours."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from spsr.config import CONFIGS, Config
from spsr.config.strict import Strict, validate
from spsr.config.yaml_source import Source
from spsr.errors import InputError
from spsr.metrics import Metric
from spsr.metrics.measured import metric_of
from spsr.reporting.tables.filled import Cell, FilledTable

CLAIMS_FILE = CONFIGS / "claims.yaml"


class Claim(Strict):
    """One sentence of the paper, in short words of our own.

    Attributes:
        text: what is claimed.
        where: the place in the paper.
        table: the table that decides.
        method: `better` than, or `similar` to, each of `than` ...
        datasets, metrics: ... on each of these and by each of these; by default on all and by all of the table.
        within: for `similar`, the largest difference by metric.
        note: what a reader should know, such as a contradiction within the paper.
    """

    text: str
    where: str
    table: str
    kind: Literal["better", "similar"] = "better"
    method: str
    than: tuple[str, ...] = Field(strict=False, min_length=1)
    datasets: tuple[str, ...] | None = Field(default=None, strict=False)
    metrics: tuple[str, ...] | None = Field(default=None, strict=False)
    within: dict[str, float] = {}
    note: str = ""

    @model_validator(mode="after")
    def _within(self) -> "Claim":
        if (self.kind == "similar") != bool(self.within):
            raise ValueError("`similar`, and nothing else, needs `within`")
        return self


@dataclass(frozen=True)
class Evidence:
    """What one set of numbers says of a claim.

    Attributes:
        agree, total: comparisons that agree, and all that could be made.
        deciding: the comparisons that speak against it, or the missing ones, as text.
    """

    outcome: Literal["holds", "fails", "not testable"]
    agree: int
    total: int
    deciding: tuple[str, ...]


@dataclass(frozen=True)
class CheckedClaim:
    """A claim with the evidence of the paper's numbers and on ours."""

    name: str
    claim: Claim
    paper: Evidence
    ours: Evidence


def read_claims(config: Config) -> dict[str, Claim]:
    """Every claim on a declared table, by name; anything unknown in it is an `InputError` with file and line."""
    source = Source(CLAIMS_FILE)
    every = {name: validate(Claim, data, source, (name,)) for name, data in source.data.items()}
    claims = {name: claim for name, claim in every.items() if claim.table in config.tables}
    for name, claim in claims.items():
        table = config.table(claim.table)
        for method in (claim.method, *claim.than):
            if method not in table.methods:
                raise InputError(f"{source.where((name,))}: {name}: {claim.table} has no method '{method}'")
        for kind, named, known in (
            ("dataset", claim.datasets, table.datasets),
            ("metric", claim.metrics, table.metrics),
            ("metric", tuple(claim.within), table.metrics),
        ):
            for item in named or ():
                if item not in known:
                    raise InputError(f"{source.where((name,))}: {name}: {claim.table} has no {kind} '{item}'")
    return claims


def check(claim: Claim, table: FilledTable, number: Callable[[Cell], float | None]) -> Evidence:
    """Make every comparison of a claim with the numbers that `number` gives for cells (None: missing)."""
    agree, against, missing = 0, [], []
    for dataset in claim.datasets or table.table.datasets:
        for name in claim.metrics or tuple(claim.within) or table.table.metrics:
            metric = metric_of(name)
            first = number(table.cells[claim.method, dataset, name])
            for other in claim.than:
                second = number(table.cells[other, dataset, name])
                where = f"{dataset} {metric.title}"
                names = f"{table.titles[claim.method]} / {table.titles[other]}"
                if first is None or second is None:
                    missing.append(f"{where}: {names}")
                elif _agrees(claim, metric, first, second):
                    agree += 1
                else:
                    against.append(f"{where}: {names} {metric.shown(first)} / {metric.shown(second)}")
    total = agree + len(against)
    if against:
        return Evidence("fails", agree, total, tuple(against))
    if missing:
        return Evidence("not testable", agree, total, tuple(missing))
    return Evidence("holds", agree, total, ())


def _agrees(claim: Claim, metric: Metric, first: float, second: float) -> bool:
    first, second = round(first, metric.digits), round(second, metric.digits)
    if claim.kind == "similar":
        return abs(first - second) <= claim.within[metric.name] + 1e-9
    return metric.better(first, second)


def check_all(config: Config, tables: dict[str, FilledTable]) -> list[CheckedClaim]:
    """Every claim whose table the preset makes."""
    return [
        CheckedClaim(
            name,
            claim,
            check(claim, tables[claim.table], lambda cell: None if cell.paper is None else float(cell.paper)),
            check(claim, tables[claim.table], lambda cell: cell.value),
        )
        for name, claim in read_claims(config).items()
        if claim.table in tables
    ]
