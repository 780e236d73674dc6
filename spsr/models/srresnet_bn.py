"""The original SRResNet with batch normalisation (Ledig et al. 2017): the generator of the released SRGAN."""

from pathlib import Path

import torch
from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.keras import read_layers, shuffle_order
from spsr.models.layers import PixelShuffleConv, conv, image_conv

KERAS_EPSILON = 1e-3
KERAS_MOMENTUM = 0.01
KERAS_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def _batch_norm(features: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(features, eps=KERAS_EPSILON, momentum=KERAS_MOMENTUM)


class NormResidualBlock(nn.Module):
    """Convolution, norm, PReLU, convolution, norm, plus the input."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = conv(features, features)
        self.norm1 = _batch_norm(features)
        self.activation = nn.PReLU(features)
        self.conv2 = conv(features, features)
        self.norm2 = _batch_norm(features)

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.norm1(self.conv1(x)))
        return x + self.norm2(self.conv2(y))


class SRResNetBN(nn.Module):
    """SRResNet x4 with 9x9 first and last convolutions, batch normalisation and PReLU, as released for Keras.

    Input `N x 3 x h x w` in [0, 1]; output `N x 3 x 4h x 4w` in [0, 1] (the last tanh, moved from [-1, 1]).
    Weights start as Keras has it: Glorot uniform, biases and PReLU slopes 0.

    Args:
        features: channels.
        blocks: number of residual blocks.
    """

    def __init__(self, features: int = 64, blocks: int = 16) -> None:
        super().__init__()
        self.head = conv(3, features, kernel=9)
        self.head_activation = nn.PReLU(features)
        self.body = nn.ModuleList(NormResidualBlock(features) for _ in range(blocks))
        self.body_end = conv(features, features)
        self.body_norm = _batch_norm(features)
        self.upsample = nn.ModuleList(PixelShuffleConv(features) for _ in range(2))
        self.upsample_activation = nn.ModuleList(nn.PReLU(features) for _ in range(2))
        self.tail = image_conv(features, kernel=9)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.PReLU):
                nn.init.zeros_(layer.weight)

    def forward(self, lr: Tensor) -> Tensor:
        first = self.head_activation(self.head(lr))
        x = first
        for block in self.body:
            x = block(x)
        x = first + self.body_norm(self.body_end(x))
        for up, activation in zip(self.upsample, self.upsample_activation, strict=True):
            x = activation(up(x))
        return (self.tail(x).tanh() + 1) / 2


def read_keras(path: Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    """The size and, under our keys, the tensors of krasserm/super-resolution's weights of SRGAN and SRResNet.

    Raises:
        InputError: the file is not HDF5, is truncated, or holds another network.
    """
    layers = read_layers(path)
    convs, norms, activations = (layers[kind] for kind in ("conv2d", "batch_normalization", "p_re_lu"))
    blocks = len(norms) // 2
    if blocks < 1 or len(convs) != 2 * blocks + 5 or len(norms) != 2 * blocks + 1 or len(activations) != blocks + 3:
        raise InputError(
            f"HDF5 with {len(convs)} convolutions, {len(norms)} norms and {len(activations)} PReLUs is not the SRGAN "
            "generator, the only Keras network that is known here"
        )
    conv_names = ["head", *(f"body.{n}.conv{i}" for n in range(blocks) for i in (1, 2)), "body_end"]
    conv_names += ["upsample.0.conv", "upsample.1.conv", "tail"]
    norm_names = [*(f"body.{n}.norm{i}" for n in range(blocks) for i in (1, 2)), "body_norm"]
    activation_names = ["head_activation", *(f"body.{n}.activation" for n in range(blocks))]
    activation_names += ["upsample_activation.0", "upsample_activation.1"]
    state: dict[str, Tensor] = {}
    try:
        for name, layer in zip(conv_names, convs, strict=True):
            for ours, theirs in (("weight", "kernel"), ("bias", "bias")):
                tensor = layer[theirs]
                state[f"{name}.{ours}"] = shuffle_order(tensor) if name.startswith("upsample") else tensor
        for name, layer in zip(norm_names, norms, strict=True):
            state |= {f"{name}.{ours}": layer[theirs] for ours, theirs in KERAS_NORM.items()}
            state[f"{name}.num_batches_tracked"] = torch.tensor(0)
        for name, layer in zip(activation_names, activations, strict=True):
            state[f"{name}.weight"] = layer["alpha"].flatten()
    except (KeyError, RuntimeError) as error:
        raise InputError(f"HDF5 that is not the SRGAN generator ({error})") from error
    return {"features": len(state["head.weight"]), "blocks": blocks}, state
