"""Reading the weights of a Keras network from HDF5, in PyTorch's order of axes and channels."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spsr.errors import InputError

Layers = dict[str, list[dict[str, Tensor]]]
"""The layers of each kind (`conv2d`, `batch_normalization`, `p_re_lu`) in the order of the network."""


_MOST_EXPANSION = 4
"""Weights are hardly compressible; a dataset that claims more than this times the size of the file is no weights."""


def read_layers(path: Path) -> Layers:
    """Every layer with weights, under Keras's names of them (`kernel`, `bias`, `gamma`, ...) and as float32.

    Kernels are turned from `H x W x in x out` to `out x in x H x W`.

    Raises:
        InputError: the file is not HDF5, is truncated, or has layers of another kind.
    """
    import h5py  # a training needs none of it

    most = _MOST_EXPANSION * path.stat().st_size
    numbered: dict[tuple[str, int], dict[str, Tensor]] = defaultdict(dict)

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        layer, weight = name.split("/")[-2:]
        found = re.fullmatch(r"(conv2d|batch_normalization|p_re_lu)(?:_v1)?(?:_(\d+))?", layer)
        if found is None:
            raise InputError(f"HDF5 layer '{layer}' is not one of the SRGAN generator, the only known Keras network")
        if item.size * item.dtype.itemsize > most:
            raise InputError(f"HDF5 layer '{layer}' claims shape {list(item.shape)}, more than the file holds")
        part, values = weight.split(":")[0], item[()]
        if part == "kernel":
            values = values.transpose(3, 2, 0, 1)
        # Keras numbers the layers of a kind in the order of the network.
        numbered[found[1], int(found[2] or 0)][part] = _tensor(values)

    try:
        with h5py.File(path, "r") as file:
            file.get("model_weights", file).visititems(visit)
    except InputError:
        raise
    except Exception as error:  # h5py and numpy promise nothing about what a malformed file raises
        said = " ".join(str(error).split())
        raise InputError(f"not a readable HDF5 file ({said}); get it again") from error
    layers: Layers = defaultdict(list)
    for kind, number in sorted(numbered):
        layers[kind].append(numbered[kind, number])
    return layers


def shuffle_order(tensor: Tensor) -> Tensor:
    """Channels before a pixel shuffle, the first axis, from TensorFlow's (row, column, channel) to PyTorch's order."""
    return tensor.unflatten(0, (2, 2, -1)).movedim(2, 0).flatten(0, 2).contiguous()


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
