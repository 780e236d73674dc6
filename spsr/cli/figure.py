"""`spsr figure`: draw figures of a preset."""

from typing import Annotated

import typer

from spsr.cli.options import Configfile, Out
from spsr.cli.progress_bar import progress_bar
from spsr.config import load
from spsr.config.figure import Crop
from spsr.errors import InputError
from spsr.reporting.figures.catalogue import draw, draw_all, draw_asked, full_name


def figure(
    names: Annotated[list[str], typer.Argument(help="Numbers of the paper's figures, `losses`, or `all`.")],
    configfile: Configfile = None,
    crop: Annotated[
        list[str] | None,
        typer.Option("--crop", help="DATASET/IMAGE or DATASET/IMAGE/LEFT,TOP,WIDTH,HEIGHT in place of the paper's."),
    ] = None,
    methods: Annotated[
        str | None, typer.Option("--methods", help="Names separated by commas, HR among them, in place of the paper's.")
    ] = None,
    out: Out = None,
) -> None:
    """Draw the paper's figures from a preset's results, as png and pdf."""
    config = load(configfile)
    if crop or methods or out:
        crops = [_crop(text) for text in crop or ()]
        for name in names:
            shown = methods.split(",") if methods else ()
            for file in draw_asked(config, name, crops, shown, out or config.layout.figures):
                typer.echo(file)
        return
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


def _crop(text: str) -> Crop:
    """`--crop` as a part of an image."""
    dataset, _, rest = text.partition("/")
    image, _, numbers = rest.partition("/")
    try:
        box = tuple(map(int, numbers.split(","))) if numbers else None
        return Crop.model_validate({"dataset": dataset, "image": image, "box": box})
    except ValueError as error:
        raise InputError(f"--crop {text}: give DATASET/IMAGE, or DATASET/IMAGE/LEFT,TOP,WIDTH,HEIGHT") from error
