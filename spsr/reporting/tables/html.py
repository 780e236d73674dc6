"""A table as HTML: each cell holds our number, the paper's, and the difference."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from spsr.metrics.measured import metric_of
from spsr.reporting.pages import environment
from spsr.reporting.tables.filled import Cell, FilledTable
from spsr.reporting.tables.grid import number
from spsr.reporting.tables.notes import DAGGER, marks_behind, notes

BEST, SECOND = "red", "blue"
"""How the best and the second best numbers look."""


def table_fragment(
    filled: FilledTable,
    link: Callable[[Cell], str | None] = lambda _: None,
    files: Mapping[str, str] = MappingProxyType({}),
    known: Collection[str] = (),
    runs: str | None = None,
) -> str:
    """The `<table>` with its caption and notes, for a page that has the styles of `tables.css`.

    Args:
        link: the address that a cell's own number leads to, if any.
        files: addresses of the table in other formats, by suffix.
        known: notes that the page shows elsewhere.
        runs: the address of its runs, if any.
    """
    return (
        environment()
        .get_template("table.html.j2")
        .render(
            filled=filled,
            table=filled.table,
            notes=[note for note in notes(filled, BEST, SECOND) if note not in known],
            link=link,
            files=files,
            runs=runs,
            metrics={name: metric_of(name) for name in filled.table.metrics},
            number=number,
            marks_behind=marks_behind,
        )
    )


def to_html(filled: FilledTable) -> str:
    """A page that holds the table and needs no other file."""
    template = environment().get_template("table_page.html.j2")
    return template.render(filled=filled, fragment=table_fragment(filled), dagger=DAGGER)
