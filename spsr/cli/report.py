"""`spsr report`: write the report of a preset."""

from typing import Annotated

import typer

from spsr.cli.options import Configfile
from spsr.config import load
from spsr.reporting.report.page import make_report

Standalone = Annotated[
    bool,
    typer.Option("--standalone", help="Write report-standalone.html, which can be mailed: parts of images are in it."),
]


def report(configfile: Configfile = None, standalone: Standalone = False) -> None:
    """Write the report: one page that opens offline, with verdicts, tables, figures, runs and an image browser."""
    typer.echo(make_report(load(configfile), standalone))
