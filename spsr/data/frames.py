"""Tables of ours in CSV files, which may be torn or edited."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from spsr.errors import InputError
from spsr.files import read_text


def read_frame(path: Path, columns: Mapping[str, Any], remedy: str, others: Any = None) -> pd.DataFrame:
    """The rows of a CSV file, every cell as the type of its column.

    Args:
        columns: the type of each column that must be there, as pydantic takes it.
        others: the type of all further columns; without it there may be none.

    Raises:
        InputError: the file is missing, cut off, empty or no CSV, has other columns, or a cell is of another type;
            with the line, the column and the `remedy`.
    """
    text = read_text(path, remedy)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header, *body = [*rows] or [[]]
    except csv.Error as error:
        raise InputError(f"{path}:{rows.line_num}: no table ({error}); {remedy}") from error
    if len({*header}) < len(header) or not {*columns} <= {*header} or (others is None and len(header) > len(columns)):
        raise InputError(f"{path}: its columns are not {','.join(columns)}; {remedy}")
    if not body or not text.endswith("\n") or any(len(row) != len(header) for row in body):
        raise InputError(f"{path}: cut off, or its rows are not as long as its header; {remedy}")
    cells = dict(zip(header, zip(*body, strict=True), strict=True))
    return pd.DataFrame({name: _typed(path, name, cells[name], columns.get(name, others), remedy) for name in header})


def _typed(path: Path, name: str, cells: tuple[str, ...], kind: Any, remedy: str) -> list[Any]:
    try:
        return TypeAdapter(list[kind]).validate_python(cells)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(
            f"{path}:{int(first['loc'][0]) + 2}: {name} is {first['input']!r}: {first['msg']}; {remedy}"
        ) from error
