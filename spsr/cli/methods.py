"""`spsr methods`."""

from typing import Annotated

import typer
from rich.table import Table

from spsr.cli.options import Configfile
from spsr.cli.terminal import terminal
from spsr.config import CONFIGS, Config, load
from spsr.pipeline.roster import why_not


def methods(
    configfile: Configfile = None,
    cost: Annotated[
        bool,
        typer.Option(
            "--cost",
            help="Count parameters and FLOPs of one training step per sample, at the paper's sizes unless "
            "--configfile is given (some seconds).",
        ),
    ] = False,
    inference: Annotated[
        bool,
        typer.Option(
            "--inference",
            help="Measure what each method that is run takes to be used here: parameters, FLOPs, seconds and memory "
            "for an LR image of 256x256 (minutes; the report shows it).",
        ),
    ] = False,
) -> None:
    """List every method: what it is a delta of, its losses, what it starts from, and the tables that hold it.

    Below stand those that the preset does not run, and why.
    """
    if cost or inference:
        from spsr.cli.costs import costs, inference_costs  # Only these take torch.

        if cost:
            terminal().print(costs(load(configfile or CONFIGS / "paper.yaml")))
        if inference:
            terminal().print(inference_costs(load(configfile)))
        return
    config, console = load(configfile), terminal()
    console.print(_list(config))
    for name in config.methods:
        if (reason := why_not(config, name)) is not None:
            console.print(f"{name} is not run: {reason}", highlight=False, soft_wrap=True)


def _list(config: Config) -> Table:
    table = Table(title=f"Methods of {config.path}", title_justify="left")
    for column in ("name", "title", "extends", "losses", "starts from", "extractor", "tables"):
        table.add_column(column, overflow="fold")
    for name, method in config.methods.items():
        losses = "\n".join(f"{term.weight:g} {term.name}" for term in method.losses.terms())
        tables = [key.removeprefix("table") for key, held in config.tables.items() if name in held.methods]
        table.add_row(
            name,
            method.title,
            method.extends or "",
            losses or method.source,
            method.init_from or "",
            method.extractor or "",
            " ".join(tables),
        )
    return table
