"""`spsr status`."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from spsr.cli.options import Configfile
from spsr.cli.terminal import terminal
from spsr.config import load
from spsr.pipeline import Pipeline
from spsr.progress import duration
from spsr.results.status import RunStatus, read_all, summary, whereabouts

_SECONDS_BETWEEN_LOOKS = 5.0


def status(
    configfile: Configfile = None,
    every: Annotated[bool, typer.Option("--all", help="List finished and waiting trainings, too.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every few seconds, until Ctrl-C.")] = False,
) -> None:
    """Show how far each training of a preset is and what is left of it, and where the results are."""
    pipeline, console = Pipeline(load(configfile)), terminal(highlight=False)
    if not watch:
        console.print(_shown(pipeline, every), soft_wrap=not console.is_terminal)
        return
    with suppress(KeyboardInterrupt):
        if console.is_terminal:
            with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
                while True:
                    live.update(_shown(pipeline, every), refresh=True)
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
        while True:
            console.print(_shown(pipeline, every), soft_wrap=True)
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _shown(pipeline: Pipeline, every: bool) -> RenderableType:
    runs = read_all(pipeline)
    shown = [run for run in runs if every or run.state not in ("finished", "waiting")]
    lines = (*_lines(runs), Text(f"{pipeline.config.preset.preset}: {summary(runs)}"))
    places = (
        f"  {what:<16} {where}{'' if there else '  (not made yet)'}" for what, where, there in whereabouts(pipeline)
    )
    table = (_table(shown), Text()) if shown else ()
    return Group(*table, *lines, *map(Text, places))


def _table(runs: list[RunStatus]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("training", "seed", "state", "steps", "loss", "steps/s", "left"):
        table.add_column(column, justify="left" if column in ("training", "state") else "right", overflow="fold")
    for run in runs:
        left = "" if not run.seconds_left else duration(run.seconds_left)
        rate, loss = ("" if number is None else f"{number:.3g}" for number in (run.rate, run.loss))
        name = f"{run.name} ({run.trial})" if run.trial else run.name
        table.add_row(name, str(run.seed), run.state, f"{run.step}/{run.iterations}", loss, rate, left)
    return table


def _lines(runs: list[RunStatus]) -> Iterator[Text]:
    """What is wrong with trainings, a line each."""
    for run in runs:
        if run.said:
            yield Text(f"failed: {run.said}", style="red")
        yield from (Text(f"warning: {problem}", style="yellow") for problem in run.damaged)
