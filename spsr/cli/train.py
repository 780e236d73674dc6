"""`spsr train`."""

from typing import Annotated

import typer

from spsr.cli.options import Configfile, MaxMinutes, Out, Restart, Seed


def train(
    method: Annotated[str, typer.Argument(help="A method that is trained here; `spsr methods` lists them.")],
    configfile: Configfile = None,
    seed: Seed = 0,
    out: Out = None,
    max_minutes: MaxMinutes = None,
    restart: Restart = False,
) -> None:
    """Train a super-resolution method, or go on with its training where it was interrupted."""
    from spsr.cli.progress import progress
    from spsr.config import load

    config = load(configfile)
    config.training_settings(method, seed)

    from spsr.training.method import train_method

    with progress(method) as report:
        train_method(config, method, seed, out, max_minutes=max_minutes, restart=restart, progress=report)
    print(config.layout.model(method, seed) if out is None else out / "model.safetensors")
