"""`spsr report`: write the report of a preset."""

import os
from typing import Annotated

import typer

from spsr.cli.options import Configfile
from spsr.config import load
from spsr.reporting.report.page import make_report
from spsr.tracking.server import PORT
from spsr.tracking.views import addresses

Standalone = Annotated[
    bool,
    typer.Option("--standalone", help="Write report-standalone.html, which can be mailed: parts of images are in it."),
]


def report(configfile: Configfile = None, standalone: Standalone = False) -> None:
    """Write the report: one page that opens offline, with verdicts, tables, figures, runs and an image browser."""
    config = load(configfile)
    passed_on = standalone or os.environ.get("MLFLOW_TRACKING_URI")
    typer.echo(make_report(config, standalone, {} if passed_on else addresses(config, PORT)))
