"""`spsr methods`."""

from typing import TYPE_CHECKING, Annotated

import typer

from spsr.cli.options import Configfile

if TYPE_CHECKING:
    from rich.table import Table

    from spsr.config import Config


def methods(
    configfile: Configfile = None,
    cost: Annotated[
        bool,
        typer.Option(
            "--cost",
            help="Count parameters and FLOPs of one training step per sample, at the paper's sizes unless "
            "--configfile is given (about a minute).",
        ),
    ] = False,
) -> None:
    """List every method: what it is a delta of, its losses, what it starts from, and the tables that hold it."""
    from rich.console import Console

    from spsr.config import CONFIGS, load

    if not cost:
        Console().print(_list(load(configfile)))
        return
    config = load(configfile or CONFIGS / "paper.yaml")
    Console().print(_costs(config))


def _list(config: "Config") -> "Table":
    from rich.table import Table

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


def _costs(config: "Config") -> "Table":
    from rich.table import Table

    from spsr.cli.progress import progress
    from spsr.training.cost import Cost, training_cost

    trained = [name for name, method in config.methods.items() if method.source == "trained"]
    counted: dict[str, Cost] = {}
    with progress("counting") as report:
        for done, name in enumerate(trained):
            report(done, len(trained), name)
            if (kind := _what_costs(config, name)) not in counted:
                counted[kind] = training_cost(config, name)
        report(len(trained), len(trained), "")
    table = Table(
        title=f"One training step at the sizes of {config.path}",
        title_justify="left",
        caption="GFLOP per sample, 2 per multiply-add, forward and backward, after the fusion warm-up. "
        "Separate: the generator's loss and the discriminators' own each have forward passes of the discriminators, "
        "as in the official code; here they share them, with the same result.",
        caption_justify="left",
    )
    table.add_column("name")
    for column in ("generator", "discriminators", "GFLOP", "separate"):
        table.add_column(column, justify="right")
    for name in trained:
        cost = counted[_what_costs(config, name)]
        gflops = (f"{flops / 1e9:.1f}" for flops in (cost.flops, cost.separate_flops))
        table.add_row(name, f"{cost.generator:,}", f"{cost.discriminators:,}", *gflops)
    return table


def _what_costs(config: "Config", name: str) -> str:
    """Equal for methods whose steps cost the same: weights of terms, titles and starting points do not matter."""
    method = config.method(name)
    terms = [term.name for term in method.losses.terms()]
    extractor = method.extractor if any(term.endswith("/structure") for term in terms) else None
    network = extractor and config.extractor(extractor).network
    return repr((method.generator, method.schedule, terms, network, method.discriminator))
