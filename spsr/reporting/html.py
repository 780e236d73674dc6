"""Pages from templates, and a table as HTML: each cell holds our number, the paper's, and the difference."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spsr.reporting.tables.cells import Cell, FilledTable
from spsr.reporting.tables.grid import number
from spsr.reporting.tables.notes import DAGGER, marks_behind, notes
from spsr.results.scores import DIGITS, METRIC_TITLES

TEMPLATES = Path(__file__).with_name("templates")


@cache
def environment() -> Environment:
    """The templates of this package; every value is escaped, and an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        number=number, metric_titles=METRIC_TITLES, digits=DIGITS, dagger=DAGGER, marks_behind=marks_behind
    )
    return made


def table_fragment(filled: FilledTable, link: Callable[[Cell], str | None] = lambda _: None) -> str:
    """The `<table>` with its caption and notes, for a page that has the styles of `tables.css`.

    Args:
        link: the address that a cell's own number leads to, if any.
    """
    template = environment().get_template("table.html.j2")
    return template.render(filled=filled, table=filled.table, notes=notes(filled, "red", "blue"), link=link)


def inside_script(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def to_html(filled: FilledTable) -> str:
    """A page that holds the table and needs no other file."""
    template = environment().get_template("table_page.html.j2")
    return template.render(filled=filled, fragment=table_fragment(filled))
