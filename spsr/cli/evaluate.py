"""`spsr evaluate`."""

from typing import Annotated

import typer

from spsr.cli.options import Configfile, Seed
from spsr.cli.progress_bar import progress_bar
from spsr.config import load
from spsr.evaluation.evaluate import evaluate as run


def evaluate(
    method: Annotated[str, typer.Argument(help="Method name; `spsr methods` lists them.")],
    configfile: Configfile = None,
    seed: Seed = 0,
) -> None:
    """Super-resolve and score every benchmark of a preset with one run of a method."""
    config = load(configfile)
    config.method(method)
    with progress_bar("evaluate") as report:
        for file in run(config, method, seed, report):
            print(file)
