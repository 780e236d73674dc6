"""`spsr status`."""

from typing import Annotated

import typer
from rich.table import Table

from spsr.cli.options import Configfile
from spsr.cli.terminal import terminal
from spsr.config import load
from spsr.pipeline import Pipeline
from spsr.progress import duration
from spsr.results.status import read_progress, summary, whereabouts


def status(
    configfile: Configfile = None,
    every: Annotated[bool, typer.Option("--all", help="List finished and waiting trainings, too.")] = False,
) -> None:
    """Show how far each training of a preset is and what is left of it, and where the results are."""
    pipeline = Pipeline(load(configfile))
    config = pipeline.config
    names = [name for name in pipeline.pretrained if config.extractor(name).task is not None]
    runs = [
        read_progress(config, name, seed)
        for name in [*names, *pipeline.judges, *pipeline.trained]
        for seed in config.seeds(name)
    ]
    shown = [run for run in runs if every or run.state in ("training", "stopped")]

    console = terminal(soft_wrap=True, highlight=False)
    if shown:
        table = Table("training", "seed", "state", "steps", "steps/s", "left", "starts", box=None, pad_edge=False)
        for run in shown:
            left = "" if run.seconds_left is None or run.state == "finished" else duration(run.seconds_left)
            rate = "" if run.rate is None else f"{run.rate:.3g}"
            steps = f"{run.step} of {run.iterations}"
            table.add_row(run.name, str(run.seed), run.state, steps, rate, left, str(run.starts or ""))
        console.print(table)
        console.print()
    console.print(f"{config.preset.preset}: {summary(runs)}")
    for what, where, there in whereabouts(config):
        console.print(f"  {what:<14} {where}{'' if there else '  (not made yet)'}")
