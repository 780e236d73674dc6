"""Released weight files as tensors under torchvision's names, read without running anything of the file."""

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spsr.data.hashing import SourceError
from spsr.errors import InputError
from spsr.tensors import check_plain, read_torch

_MOST_NUMBERS = 1 << 28

Tensors = dict[str, torch.Tensor]

ALEXNET_CONVS = (0, 3, 6, 8, 10)
VGG16_CONVS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG19_CONVS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
_CAFFE_VGG19_CONVS = (2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51)


class _NumpyUnpickler(pickle.Unpickler):
    """Reads pickles of nested dicts of numpy arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        }:
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise SourceError(f"the pickle asks for {f'{module}.{name}'!r}, which weights do not need")


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes) -> np.ndarray:
    if kind is not np.ndarray:
        raise SourceError("the pickle asks for a kind of array that weights do not need")
    if any(shape) and math.prod(shape) > _MOST_NUMBERS:
        raise SourceError(f"the pickle asks for an array of shape {shape}")
    return np.ndarray.__new__(np.ndarray, shape, code.decode() if isinstance(code, bytes) else code)


class _TorchUnpickler(pickle.Unpickler):
    """Reads pickles of a dict of torch tensors, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
            ("torch.storage", "_load_from_bytes"): _load_storage,
        }
        if (module, name) not in allowed:
            raise SourceError(f"the pickle asks for {f'{module}.{name}'!r}, which weights do not need")
        return allowed[module, name]


def _load_storage(content: bytes) -> Any:
    return read_torch(io.BytesIO(content))


def _unpickle(unpickler: type[pickle.Unpickler], path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            return unpickler(stream).load()
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"not a readable pickle of weights ({type(error).__name__}: {error})") from error


def load_checkpoint(path: Path) -> Tensors:
    """The content of a torch checkpoint of tensors; `SourceError` for anything else, or a damaged one."""
    try:
        return dict(read_torch(path))
    except InputError as error:
        raise SourceError(str(error)) from error


def _flax(path: Path, network: str, places: tuple[int, ...]) -> Tensors:
    """Kernels H x W x in x out under `Conv_k` become `features.N.weight`, out x in x H x W."""
    layers = _unpickle(_NumpyUnpickler, path)[network]
    tensors = {}
    for k, place in enumerate(places):
        kernel, bias = layers[f"Conv_{k}"]["kernel"], layers[f"Conv_{k}"]["bias"]
        tensors[f"features.{place}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        tensors[f"features.{place}.bias"] = torch.from_numpy(bias.copy())
    return tensors


def _vgg19_caffe(path: Path) -> Tensors:
    """`input` is the 1x1 convolution from RGB in [0, 1] to mean-free BGR (levels); the rest as torchvision's."""
    loaded = load_checkpoint(path)
    tensors = {f"input.{part}": loaded.pop(f"0.{part}") for part in ("weight", "bias")}
    for theirs, ours in zip(_CAFFE_VGG19_CONVS, VGG19_CONVS, strict=True):
        for part in ("weight", "bias"):
            tensors[f"features.{ours}.{part}"] = loaded.pop(f"{theirs}.{part}")
    if loaded:
        raise SourceError(f"holds tensors that VGG19 does not have ({', '.join(sorted(loaded))})")
    return tensors


def _torchvision_features(path: Path) -> Tensors:
    """Only the convolutions; the fully connected classifier (most of the file) is not used anywhere here."""
    return {name: tensor for name, tensor in load_checkpoint(path).items() if name.startswith("features.")}


def _torch_pickle(path: Path) -> Tensors:
    return dict(_unpickle(_TorchUnpickler, path))


_CONVERSIONS: dict[str, Callable[[Path], Tensors]] = {
    "torchvision": load_checkpoint,
    "torchvision_features": _torchvision_features,
    "flax_alexnet": lambda path: _flax(path, "AlexNet_0", ALEXNET_CONVS),
    "flax_vgg16": lambda path: _flax(path, "VGG16_0", VGG16_CONVS),
    "vgg19_caffe": _vgg19_caffe,
    "torch_pickle": _torch_pickle,
}


def convert(path: Path, form: str) -> Tensors:
    """The tensors of a released file of the registry's format `form`, float32 or int64, in a fixed order.

    Raises:
        SourceError: the file is not what the format says.
    """
    try:
        tensors = _CONVERSIONS[form](path)
        for name, tensor in tensors.items():
            check_plain(name, tensor)
        kept = {
            name: tensors[name].detach().clone() for name in sorted(tensors) if not name.endswith("num_batches_tracked")
        }
    except SourceError:
        raise
    except Exception as error:  # a file of another network leads anywhere
        raise SourceError(f"does not hold the tensors of this network ({type(error).__name__}: {error})") from error
    if not kept:
        raise SourceError("does not hold the tensors of this network")
    return kept
