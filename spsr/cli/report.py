"""`spsr report`: write the report of a preset."""

import typer

from spsr.cli.options import Configfile
from spsr.config import load
from spsr.reporting.report.page import make_report


def report(configfile: Configfile = None) -> None:
    """Write the report: one page that opens offline, with verdicts, tables, figures, runs and an image browser."""
    typer.echo(make_report(load(configfile)))
