"""`spsr ui`: look at the runs in a browser."""

import os
from typing import Annotated

import typer

from spsr.cli.options import Configfile
from spsr.config import load
from spsr.tracking.contact import check_address
from spsr.tracking.server import PORT, serve


def ui(
    configfile: Configfile = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")] = PORT,
) -> None:
    """Show the runs of a preset in MLflow's own pages, on 127.0.0.1 only."""
    config = load(configfile)
    if remote := os.environ.get("MLFLOW_TRACKING_URI", ""):
        check_address(remote)
        typer.echo(f"MLFLOW_TRACKING_URI is set: the runs are at {remote}")
        return
    serve(config, port, typer.echo)
