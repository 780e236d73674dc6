"""`spsr table`: write tables of a preset."""

from typing import Annotated

import typer

from spsr.cli.options import Configfile
from spsr.cli.terminal import terminal
from spsr.config import load
from spsr.reporting.tables.filled import fill
from spsr.reporting.tables.formats import WRITERS, make_table
from spsr.reporting.tables.terminal import to_terminal


def table(
    names: Annotated[list[str] | None, typer.Argument(help="table1 ... table7; all of the preset if none.")] = None,
    configfile: Configfile = None,
    show: Annotated[bool, typer.Option("--show", help="Print our numbers here and write nothing.")] = False,
) -> None:
    """Write Tables 1-7 beside the paper's values as csv, md, tex and html."""
    config = load(configfile)
    for name in names or config.preset.tables:
        if show:
            terminal().print(to_terminal(fill(config, name)))
            continue
        filled = make_table(config, name)
        cells = filled.cells.values()
        there = sum(cell.value is not None for cell in cells)
        typer.echo(f"{config.layout.table(name, '')}{{{','.join(WRITERS)}}}: {there} of {len(cells)} cells")
