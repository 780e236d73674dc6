"""`spsr track`: import finished runs into MLflow."""

import typer

from spsr.cli.options import Configfile
from spsr.cli.progress_bar import progress_bar
from spsr.config import load
from spsr.tracking.track import track as run


def track(configfile: Configfile = None) -> None:
    """Import every finished run into MLflow; what is there already is left alone."""
    config = load(configfile)
    with progress_bar("track") as report:
        done = run(config, report)
    typer.echo(
        f"{done.uri}: experiment {done.experiment}: {len(done.new)} new, {len(done.completed)} completed, "
        f"{len(done.replaced)} replaced, {len(done.unchanged)} unchanged"
    )
