"""The paper's own values: Tables 1-7, cell by cell, as they are printed."""

import csv
from functools import cache
from typing import NamedTuple

from spsr.config import CONFIGS
from spsr.errors import InputError

PAPER_VALUES = CONFIGS / "paper_values.csv"
COLUMNS = ("table", "method", "dataset", "metric", "value")


class CellKey(NamedTuple):
    """The place of one number in the paper."""

    table: str
    method: str
    dataset: str
    metric: str


@cache
def paper_values() -> dict[CellKey, str]:
    """Every printed number by its place, with the digits that are printed (`0.778`, `0.06629`)."""
    with PAPER_VALUES.open(newline="", encoding="utf-8") as opened:
        rows = csv.reader(opened)
        if tuple(next(rows, ())) != COLUMNS:
            raise InputError(f"{PAPER_VALUES}: its columns are not {','.join(COLUMNS)}; restore the file")
        values: dict[CellKey, str] = {}
        for number, row in enumerate(rows, start=2):
            key = CellKey(*row[:4])
            if len(row) != len(COLUMNS) or key in values:
                raise InputError(f"{PAPER_VALUES}:{number}: not one new cell; restore the file")
            values[key] = row[4]
    return values


def decimals(printed: str) -> int:
    """Number of digits after the point of a printed number."""
    return len(printed.partition(".")[2])
