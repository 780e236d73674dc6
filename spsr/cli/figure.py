"""`spsr figure`: draw figures of a preset."""

from typing import Annotated

import typer

from spsr.cli.options import Configfile
from spsr.cli.progress_bar import progress_bar
from spsr.config import load
from spsr.reporting.figures.catalogue import draw, draw_all, full_name


def figure(
    names: Annotated[list[str], typer.Argument(help="Numbers of the paper's figures, `losses`, or `all`.")],
    configfile: Configfile = None,
) -> None:
    """Draw the paper's figures from a preset's results, as png and pdf."""
    config = load(configfile)
    if names == ["all"]:
        with progress_bar("figure") as report:
            reasons = draw_all(config, report)
        for name, reason in reasons.items():
            typer.echo(f"{name}: not drawn: {reason}")
        typer.echo(f"{config.layout.figures}")
        return
    for name in [full_name(name) for name in names]:
        for file in draw(config, name):
            typer.echo(file)
