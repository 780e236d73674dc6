"""`spsr slot`: run a training inside a Slurm job, for as long as the job may run."""

from pathlib import Path
from typing import Annotated

import typer

from spsr.cluster.slot import run


def slot(
    folder: Annotated[Path, typer.Argument(help="Folder of the run.")],
    command: Annotated[list[str], typer.Argument(help="The training command, after `--`.")],
) -> None:
    """Run a training command in a Slurm job: end it before the job's limit and put the job back in the queue."""
    raise typer.Exit(run(folder, command))
