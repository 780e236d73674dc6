"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from spsr.config import Config, load
from spsr.config.preset import MOST_SEED
from spsr.config.settings import device_named
from spsr.errors import InputError


def _device(name: str | None) -> str | None:
    try:
        return name if name is None else device_named(name)
    except ValueError as error:
        raise InputError(f"--device: {name} {error}") from None


Configfile = Annotated[
    Path | None,
    typer.Option("--configfile", help="Preset file; the quick preset if none is given.", show_default=False),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Seed of the run.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the preset that is another for this command, such as schedules.gan.iterations=20; what it "
        "changes goes to results/PRESET/trials/. May be given several times.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="cpu|cuda|cuda:N", callback=_device, help="By default a GPU where there is one."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder to write to; the run's own folder under results/ by default."),
]
MaxMinutes = Annotated[
    float | None,
    typer.Option("--max-minutes", min=0, help="Save and stop (exit code 75) after this many minutes."),
]
VerifyDeterminism = Annotated[
    int | None,
    typer.Option(
        "--verify-determinism",
        min=1,
        help="Train nothing: take this many steps twice and name the first module that differs.",
    ),
]
ReplayStep = Annotated[
    int | None,
    typer.Option(
        "--replay-step",
        min=0,
        help="Train nothing: repeat this step from the checkpoint before it and say what is not finite.",
    ),
]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="Move an earlier run aside and begin anew; nothing is deleted."),
]
RestartChanged = Annotated[
    bool,
    typer.Option("--restart-changed", help="As --restart, but only if the configuration of the earlier run differs."),
]
TrustCode = Annotated[
    list[str] | None,
    typer.Option("--trust-code", help="Code of one's own that the checkpoint may run: folder/file.py:Name."),
]


def configured(configfile: Path | None, changes: list[str] | None, device: str | None = None) -> Config:
    """The preset as the options of a command ask for it."""
    return load(configfile, [*(changes or ()), *([] if device is None else [f"compute.device={device}"])])
