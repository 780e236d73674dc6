"""The Keras weights of SRGAN and SRResNet (krasserm/super-resolution), as a state dict of `srresnet_bn`."""

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from spsr.errors import InputError

KINDS = {"conv2d": 5, "batch_normalization": 1, "p_re_lu": 3}
"""Layers of each kind that are not in a residual block."""


def read_srresnet_bn(path: Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    """Read the size of the network and its tensors under our keys.

    Kernels are turned from `H x W x in x out`, and the channels before each pixel shuffle from TensorFlow's order
    (row, column, channel) to PyTorch's (channel, row, column).

    Raises:
        InputError: the file is not HDF5, is truncated, or holds another network.
    """
    try:
        with h5py.File(path, "r") as file:
            layers = _layers(file)
    except (OSError, RuntimeError) as error:
        raise InputError(f"not a readable HDF5 file ({error})") from error
    kinds = {kind: sorted((n for k, n in layers if k == kind)) for kind in KINDS}
    convs, norms, activations = ([layers[kind, n] for n in kinds[kind]] for kind in KINDS)
    blocks = len(norms) // 2
    if blocks < 1 or len(convs) != 2 * blocks + 5 or len(norms) != 2 * blocks + 1 or len(activations) != blocks + 3:
        raise InputError(
            f"HDF5 with {len(convs)} convolutions, {len(norms)} norms and {len(activations)} PReLUs is not the SRGAN "
            "generator, the only Keras network that is known here"
        )
    order = ["head", *(f"body.{n}.conv{i}" for n in range(blocks) for i in (1, 2)), "body_end"]
    order += ["upsample.0.conv", "upsample.1.conv", "tail"]
    state: dict[str, Tensor] = {}
    try:
        for name, layer in zip(order, convs, strict=True):
            kernel, bias = layer["kernel"].transpose(3, 2, 0, 1), layer["bias"]
            if name.startswith("upsample"):
                kernel, bias = _shuffle_order(kernel), _shuffle_order(bias)
            state[f"{name}.weight"], state[f"{name}.bias"] = _tensor(kernel), _tensor(bias)
        order = [*(f"body.{n}.norm{i}" for n in range(blocks) for i in (1, 2)), "body_norm"]
        for name, layer in zip(order, norms, strict=True):
            state[f"{name}.weight"], state[f"{name}.bias"] = _tensor(layer["gamma"]), _tensor(layer["beta"])
            state[f"{name}.running_mean"] = _tensor(layer["moving_mean"])
            state[f"{name}.running_var"] = _tensor(layer["moving_variance"])
            state[f"{name}.num_batches_tracked"] = torch.tensor(0)
    except (KeyError, ValueError) as error:
        raise InputError(f"HDF5 that is not the SRGAN generator ({error})") from error
    order = ["head_activation", *(f"body.{n}.activation" for n in range(blocks))]
    order += ["upsample_activation.0", "upsample_activation.1"]
    for name, layer in zip(order, activations, strict=True):
        state[f"{name}.weight"] = _tensor(layer["alpha"].reshape(-1))
    return {"features": state["head.weight"].shape[0], "blocks": blocks}, state


def _layers(file: h5py.File) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """Every layer with weights by its kind and number (Keras numbers layers in the order of the network)."""
    layers: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        layer, weight = name.split("/")[-2:]
        found = re.fullmatch(r"(conv2d|batch_normalization|p_re_lu)(?:_v1)?(?:_(\d+))?", layer)
        if found is None:
            raise InputError(f"HDF5 layer '{layer}' is not one of the SRGAN generator, the only known Keras network")
        layers.setdefault((found[1], int(found[2] or 0)), {})[weight.split(":")[0]] = item[()]

    file.get("model_weights", file).visititems(visit)
    return layers


def _shuffle_order(array: np.ndarray) -> np.ndarray:
    rest = array.shape[1:]
    return np.moveaxis(array.reshape(2, 2, -1, *rest), 2, 0).reshape(-1, *rest)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
