"""`spsr upscale`."""

from pathlib import Path
from typing import Annotated

import typer

from spsr import models
from spsr.cli.options import Configfile, Device, Seed, Set, TrustCode, configured
from spsr.cli.progress_bar import progress_bar
from spsr.data import registry, weights
from spsr.errors import InputError
from spsr.evaluation.upscale import Upscaler
from spsr.evaluation.upscale_files import upscale_files
from spsr.evaluation.upscale_run import load_upscaler
from spsr.models.device import chosen
from spsr.models.inference import placed


def upscale(
    inputs: Annotated[list[Path], typer.Argument(help="Images and folders of images.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results (PNG, named as the inputs).")],
    method: Annotated[str | None, typer.Option("--method", "-m", help="A method of the preset that has run.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Anyone's checkpoint file, or the name of fetched weights.")
    ] = None,
    trust_code: TrustCode = None,
    bicubic: Annotated[bool, typer.Option("--bicubic", help="Bicubic interpolation.")] = False,
    from_hr: Annotated[
        bool, typer.Option("--from-hr", help="The inputs are HR images; make the LR images from them first.")
    ] = False,
    tile: Annotated[
        int | None, typer.Option("--tile", min=80, help="Side of a tile in LR pixels; smaller needs less memory.")
    ] = None,
    configfile: Configfile = None,
    seed: Seed = 0,
    changes: Set = None,
    device: Device = None,
) -> None:
    """Super-resolve images by a factor of 4 with a method, a checkpoint, or bicubic interpolation."""
    if (method is not None) + (checkpoint is not None) + bicubic != 1:
        raise InputError("upscale: give exactly one of --method, --checkpoint and --bicubic")
    if changes and method is None:
        raise InputError("--set: changes a preset, of which --checkpoint and --bicubic take nothing; leave it out")
    model: Upscaler = "bicubic"
    if checkpoint is not None:
        trusted, checkpoint = trust_code or [], _file_of(checkpoint)
        print(models.describe(checkpoint, trusted))
        model = placed(models.from_checkpoint(checkpoint, scale=4, code=trusted), chosen(device))
    elif method is not None:
        model = load_upscaler(configured(configfile, changes, device), method, seed)
    with progress_bar("upscale") as report:
        written = upscale_files(model, inputs, out, from_hr=from_hr, tile=tile, progress=report)
    print(f"{len(written)} image{'s' if len(written) != 1 else ''} in {out}")


def _file_of(checkpoint: Path) -> Path:
    """A checkpoint file as named, or that of fetched weights of this name."""
    name = str(checkpoint)
    return weights.path(name) if name in registry.weights() and not checkpoint.exists() else checkpoint
