"""Tensors from images and from files, and into files whose bytes depend on nothing but their content."""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from spsr.errors import InputError
from spsr.files import atomic_path

_MOST_EXPANSION = 4
_LONGEST_HEADER = 1 << 23


def channels_first(image: NDArray[np.uint8]) -> Tensor:
    """uint8 H×W×3, or a batch N×H×W×3, as uint8 3×H×W or N×3×H×W in which channels lie together as in the image."""
    return torch.from_numpy(np.require(image, requirements=["C", "W"])).movedim(-1, -3)


def read_torch(file: Path | IO[bytes]) -> Any:
    """What `torch.save` wrote, on the CPU, without running any code of the file.

    Raises:
        InputError: truncated, no such file, or a pickle with code in it; the caller names the file.
    """
    try:
        if isinstance(file, Path):
            _refuse_compressed(file)
        with warnings.catch_warnings(action="ignore"):
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        if wanted:
            raise InputError(
                f"the pickle asks to run {wanted[1]}, which weights do not need; it was not loaded. "
                "Ask its author for a plain state dict"
            ) from error
        raise InputError("not a checkpoint, or a damaged one; get it again") from error
    except Exception as error:  # torch promises nothing about what a malformed file raises
        raise InputError("not a whole PyTorch checkpoint; it may be truncated, get it again") from error


def _refuse_compressed(path: Path) -> None:
    """`torch.save` compresses nothing: what says that it holds far more than it is would take all memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            held = sum(member.file_size for member in archive.infolist())
        if held > _MOST_EXPANSION * path.stat().st_size:
            raise InputError(f"unpacks to {held} bytes, as no checkpoint does; get it again")


def check_plain(key: str, tensor: Tensor) -> None:
    """Refuse a tensor that is not dense numbers, or claims more of them than the file holds."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
        raise InputError(f"'{key}' is no plain dense tensor; save the weights as they are trained")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError(f"'{key}' has shape {list(tensor.shape)}, more than the file holds; get it again")


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file and the metadata of its header.

    Raises:
        InputError: truncated, or no such file; the caller names the file.
    """
    try:
        _refuse_long_header(path)
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except InputError:
        raise
    except Exception as error:  # besides its own error the library raises what dtypes and shapes lead to
        raise InputError(f"not a readable safetensors file ({error}); get it again") from error


def _refuse_long_header(path: Path) -> None:
    """The library reads headers of up to 100 MB; no network here has more than a few hundred bytes a tensor."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if length > _LONGEST_HEADER:
        raise InputError(f"not a readable safetensors file (a header of {length} bytes); get it again")


def to_safetensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file; the library writes the metadata in a random order, here the header is sorted."""
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata=dict(metadata))
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def write_safetensors(path: Path | str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write `tensors` atomically to `path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_safetensors(tensors, metadata))
