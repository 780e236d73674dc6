"""`spsr methods`."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table

from spsr.cli.options import Configfile
from spsr.cli.terminal import terminal
from spsr.config import CONFIGS, Config, Method, load
from spsr.errors import InputError
from spsr.pipeline.roster import why_not

_VIEWS = {"image": "I", "gradient": "G", "structure": "S", "branch": "B"}
_SHOWN = {"pixel": "pixel", "perceptual": "VGG19", "adversarial": "GAN"}


def methods(
    names: Annotated[
        list[str] | None, typer.Argument(help="Show all that is declared of these, or --cost of them.")
    ] = None,
    configfile: Configfile = None,
    full: Annotated[bool, typer.Option("--full", help="Show all that is declared of every method.")] = False,
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
    """List every method: what it starts from, the paper's name for it, and its losses; all of it for those named.

    A method that the preset does not run says why.
    """
    if names and inference:
        raise InputError("methods: --inference measures every method that is run; leave the names out")
    if cost or inference:
        from spsr.cli.costs import costs, inference_costs  # Only these take torch.

        if cost:
            terminal().print(costs(load(configfile or CONFIGS / "paper.yaml"), names or []))
        if inference:
            terminal().print(inference_costs(load(configfile)))
        return
    config, console = load(configfile), terminal(highlight=False)
    if not names and not full:
        console.print(_list(config))
        for name in config.methods:
            if (reason := why_not(config, name)) is not None:
                console.print(f"{name} is not run: {reason}", soft_wrap=True)
        console.print("losses on: I image, G gradient, S structure, B gradient branch", soft_wrap=True)
    for name in names or (config.methods if full else ()):
        console.print("\n".join(_lines(config, name, config.method(name))), soft_wrap=True)


def _list(config: Config) -> Table:
    table = Table("name", "start", "title", *_SHOWN.values(), "others", box=None, pad_edge=False)
    for name, method in config.methods.items():
        terms = method.losses.terms()
        views = [" ".join(_VIEWS[term.view] for term in terms if term.comparison == one) for one in _SHOWN]
        others = ", ".join(
            term.name if term.comparison == "custom" else term.comparison
            for term in terms
            if term.comparison not in _SHOWN
        )
        start = method.init_from or ("" if method.source == "trained" else method.source)
        table.add_row(name, start, method.title, *views, others)
    return table


def _lines(config: Config, name: str, method: Method) -> Iterator[str]:
    yield f"{name}: {method.title}"
    tables = [key.removeprefix("table") for key, held in config.tables.items() if name in held.methods]
    said = {
        "extends": method.extends,
        "source": method.source,
        "generator": method.generator and method.generator.name,
        "starts from": method.init_from or method.weights or method.checkpoint or method.images,
        "extractor": method.extractor,
        "schedule": method.schedule if method.source == "trained" else None,
        "tables": " ".join(tables),
        "not run": why_not(config, name),
    }
    yield from (f"  {key:<12} {value}" for key, value in said.items() if value)
    for number, term in enumerate(method.losses.terms()):
        yield f"  {'' if number else 'losses':<12} {term.weight:g} {term.name}"
