"""Super-resolving with probability maps from a folder, for SFTGAN."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spsr.errors import InputError
from spsr.evaluation.upscale_files import upscale_files
from spsr.images import SCALE, crop_to_multiple, image_index, plain_name, read_rgb, select_role
from spsr.models.checkpoint import read_tensor
from spsr.models.segmentation import check_maps

SUFFIXES = (".npy", ".pth", ".pt")
ENDING = "_bic"
"""What the authors' program appends to the names of its maps."""


class Conditioned(nn.Module):
    """A generator that is given the maps of one image: LR image 1×3×h×w to 1×3×4h×4w."""

    def __init__(self, network: nn.Module, maps: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("maps", maps.to(next(network.parameters()).device))

    def forward(self, lr: Tensor) -> Tensor:
        return self.network(lr, self.maps)


def read_maps(file: Path, height: int, width: int) -> Tensor:
    """The maps of a file, 1×8×height×width; `.npy`, or a tensor that torch saved.

    Raises:
        InputError: not readable, of another shape, or no probabilities that sum to one.
    """
    if file.suffix == ".npy":
        try:
            maps = torch.from_numpy(np.load(file, allow_pickle=False).astype(np.float32))
        except Exception as error:  # numpy promises nothing about what a malformed header raises
            said = " ".join(str(error).split())
            raise InputError(f"{file}: not a readable array ({said}); save the maps again") from error
    else:
        maps = read_tensor(file)
    return check_maps(maps, height, width, str(file))


def upscale_with_maps(network: nn.Module, originals: Path, maps: Path, out: Path) -> list[Path]:
    """Super-resolve the LR images of a benchmark's originals, each as a whole with the maps of its name.

    Args:
        originals: folder of HR images, from which LR images are made.
        maps: folder of `NAME.npy`, `NAME.pth` or `NAME_bic.pth`, each 8×H×W of the original's size cut to multiples
            of 4.
        out: folder of the results.

    Returns:
        The written files.

    Raises:
        InputError: maps of an image are missing, or not what `read_maps` takes.
    """
    if not maps.is_dir():
        raise InputError(f"{maps}: no such folder; make the probability maps of {originals}, or correct the preset")
    files = {
        plain_name(file.stem.removesuffix(ENDING)): file for file in sorted(maps.iterdir()) if file.suffix in SUFFIXES
    }
    written = []
    for stem, original in select_role(image_index(originals), "HR").items():
        file = files.get(plain_name(stem))
        if file is None:
            raise InputError(f"{maps}: has no probability maps of {original.name}; add {stem}.npy")
        height, width = crop_to_multiple(read_rgb(original)).shape[:2]
        whole = max(height, width) // SCALE + 1
        conditioned = Conditioned(network, read_maps(file, height, width))
        written += upscale_files(conditioned, [original], out, from_hr=True, tile=whole, overlap=0)
    return written
