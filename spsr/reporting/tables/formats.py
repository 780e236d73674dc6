"""Tables 1-7 as files: tidy CSV for programs, Markdown, LaTeX and HTML for readers."""

import csv
import io
import math

from spsr.config import Config
from spsr.config.table import FORMATS
from spsr.files import write_text
from spsr.reporting.tables.filled import FilledTable, fill
from spsr.reporting.tables.html import to_html
from spsr.reporting.tables.latex import to_latex
from spsr.reporting.tables.markdown import to_markdown

COLUMNS = (
    "table",
    "method",
    "dataset",
    "metric",
    "paper",
    "value",
    "ci_low",
    "ci_high",
    "delta",
    "n_images",
    "n_seeds",
)


def to_csv(filled: FilledTable) -> str:
    """One row a cell, with the columns `COLUMNS`.

    `value`, `ci_low`, `ci_high` and `delta` have six decimals. Empty: `value` of what was not run, `ci_low` and
    `ci_high` where there is nothing to resample, `paper` of a row that the paper does not have.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in filled.cells.values():
        low, high = cell.interval or (None, None)
        numbers = (cell.value, low, high, cell.delta)
        writer.writerow([*cell.key, cell.paper, *map(_decimal, numbers), cell.n_images, cell.n_seeds])
    return text.getvalue()


def _decimal(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:z.6f}" if math.isfinite(number) else str(number)


WRITERS = dict(zip(FORMATS, (to_csv, to_markdown, to_latex, to_html), strict=True))
"""How each format is made; the keys are the suffixes of the files."""


def make_table(config: Config, name: str) -> FilledTable:
    """Write table `name` of a preset in every format of `WRITERS` and return it.

    The same scores give the same bytes. Cells without scores stay empty ("not run" for readers).

    Raises:
        InputError: there is no such table, or a score file is broken.
    """
    filled = fill(config, name)
    for suffix, write in WRITERS.items():
        write_text(config.layout.table(name, suffix), write(filled))
    return filled
