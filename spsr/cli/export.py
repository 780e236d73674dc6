"""`spsr export`."""

from pathlib import Path
from typing import Annotated

import typer

from spsr import models
from spsr.cli.options import Configfile, Seed, TrustCode
from spsr.config import load
from spsr.data.hashing import file_hash
from spsr.errors import InputError, naming
from spsr.evaluation.upscale_run import weights_file
from spsr.files import check_outputs
from spsr.models.export import Target
from spsr.models.export import export as write
from spsr.models.onnx_export import export_onnx
from spsr.results.model_card import card_of_file, card_of_method


def export(
    what: Annotated[str, typer.Argument(metavar="METHOD|FILE", help="A method of the preset, or a checkpoint file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write: .pth, .safetensors or .onnx.")],
    layout: Annotated[
        Target | None,
        typer.Option("--layout", help="Names of the tensors: the authors' (default), as spandrel reads it, or ours."),
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX for images of any size instead of weights.")] = False,
    trust_code: TrustCode = None,
    configfile: Configfile = None,
    seed: Seed = 0,
) -> None:
    """Write a network for other projects: in its authors' layout, for spandrel, or as ONNX."""
    if onnx and layout is not None:
        raise InputError("export: --onnx writes no weights under names; leave --layout out")
    if Path(what).suffix:
        file = Path(what)
        network = models.from_checkpoint(file, code=trust_code or [])
        card = card_of_file(file, network)
    else:
        config = load(configfile)
        file = weights_file(config, what, seed)
        network = models.from_checkpoint(file, code=config.method(what).code)
        card = card_of_method(config, what, seed, file, network)
    check_outputs({"--out": out}, [file])
    with naming(file):
        if onnx:
            title = f"ONNX, at most {export_onnx(network, out, card):.1e} from PyTorch"
        else:
            title = write(network, out, layout or "official", card)
    print(f"{out}: {title}, sha256 {file_hash(out)}")
