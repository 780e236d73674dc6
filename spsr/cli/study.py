"""`spsr study`: ask people which results look best."""

from pathlib import Path
from typing import Annotated

import typer

from spsr.cli.options import Configfile, Out
from spsr.config import load
from spsr.study.collect import collect as collect_votes
from spsr.study.create import create as create_study
from spsr.study.ranking import STRENGTH_NOTE, interval_note

study = typer.Typer(
    help="A blinded user study (Figure 9): write its page, collect its votes.",
    no_args_is_help=True,
    add_completion=False,
)


@study.command()
def create(
    configfile: Configfile = None,
    out: Out = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="A method to rank; several times. The paper's five by default.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", help="A benchmark to draw from; several times. All by default.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Images that each rater ranks, at most.")] = 30,
    checks: Annotated[int, typer.Option("--checks", min=0, help="Attention checks among them.")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the images and their order.")] = 0,
) -> None:
    """Write study.html, which you give to raters, and key.json, which you keep."""
    config = load(configfile)
    folder = out or config.layout.study
    key = create_study(config, folder, method or [], dataset or [], trials, checks, seed)
    ranked = sum(not trial.is_attention_check for trial in key.trials)
    typer.echo(f"{folder / 'study.html'}: {ranked} images of {', '.join(key.methods)}, {checks} attention checks")
    typer.echo(f"{folder / 'key.json'}: what raters saw; keep it, and collect their files with `spsr study collect`")


@study.command()
def collect(
    files: Annotated[list[Path], typer.Argument(help="The files that raters saved.")],
    configfile: Configfile = None,
    out: Out = None,
) -> None:
    """Check the raters' files, count their votes and draw Figure 9."""
    config = load(configfile)
    result = collect_votes(config, out or config.layout.study, files)
    typer.echo(result.summary.round(3).to_string(index=False))
    typer.echo(STRENGTH_NOTE)
    typer.echo(interval_note(int(result.summary["raters"].iloc[0])))
    for rater in result.inattentive:
        typer.echo(f"left out: {rater}, who ranked a blurred copy before its original")
    for file in result.files:
        typer.echo(file)
