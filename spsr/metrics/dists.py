"""DISTS (Ding et al., "Image quality assessment: unifying structure and texture similarity", TPAMI 2020).

Means and covariances of VGG16's features of the two images are compared channel by channel; nothing is downloaded here.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spsr.errors import InputError, naming
from spsr.metrics.fidelity import check_pair
from spsr.tensors import channels_first, read_safetensors, read_torch

STAGES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Numbers of VGG16's convolutions, as torchvision counts them; an L2 pooling stands between two stages."""

WIDTHS = (3, 64, 128, 256, 512, 512)
"""Channels of what is compared: the image, and the features after each stage."""

STABILITY = 1e-6
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


class Dists:
    """The distance between two images; 0 for equal ones, lower is better.

    Args:
        backbone: VGG16's ImageNet weights, a safetensors file with torchvision's names.
        heads: the authors' `weights.pt`, with `alpha` and `beta`.
        device: where it is computed.

    Raises:
        InputError: a file is missing, unreadable or of something else.
    """

    def __init__(self, backbone: Path | str, heads: Path | str, device: torch.device | str = "cpu") -> None:
        with naming(backbone):
            features = read_safetensors(Path(backbone))[0]
        with naming(heads):
            loaded = read_torch(Path(heads))
            try:
                weights = torch.cat([loaded[name].detach().reshape(1, -1).float() for name in ("alpha", "beta")])
            except (KeyError, TypeError, AttributeError, RuntimeError) as error:
                raise InputError("holds no `alpha` and `beta` of DISTS; fetch it with `spsr fetch dists`") from error
            if weights.shape[1] != sum(WIDTHS):
                raise InputError(f"holds {weights.shape[1]} weights where DISTS has {sum(WIDTHS)}; fetch it again")
        self._device = device
        self._features = {name: value.to(device) for name, value in features.items()}
        self._weights = (weights / weights.sum()).to(device).split(WIDTHS, dim=1)

    def __call__(self, sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> float:
        """DISTS of two whole uint8 H×W×3 RGB images of one size; they are neither shaved nor resized.

        Raises:
            InputError: the images are not uint8 H×W×3 of one size.
        """
        check_pair(sr, hr, smallest=16)
        images = torch.stack([channels_first(sr), channels_first(hr)]).to(self._device).float() / 255
        return float(self.distance(images[:1], images[1:]))

    @torch.inference_mode()
    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """DISTS of two batches `N x 3 x H x W` in [0, 1], one number a pair."""
        similarity = torch.zeros(len(first), device=first.device)
        for (alpha, beta), x, y in zip(self._weights, self._compared(first), self._compared(second), strict=True):
            x_mean, y_mean = x.mean((2, 3)), y.mean((2, 3))
            x_variance, y_variance = x.var((2, 3), correction=0), y.var((2, 3), correction=0)
            covariance = (x * y).mean((2, 3)) - x_mean * y_mean
            texture = (2 * x_mean * y_mean + STABILITY) / (x_mean**2 + y_mean**2 + STABILITY)
            structure = (2 * covariance + STABILITY) / (x_variance + y_variance + STABILITY)
            similarity += (alpha * texture + beta * structure).sum(1)
        return 1 - similarity

    def _compared(self, images: Tensor) -> list[Tensor]:
        x = (images - MEAN.to(images.device)) / DEVIATION.to(images.device)
        found = [images]
        for number, stage in enumerate(STAGES):
            x = _l2_pool(x) if number else x
            for layer in stage:
                weight, bias = (self._features[f"features.{layer}.{part}"] for part in ("weight", "bias"))
                x = functional.conv2d(x, weight, bias, padding=1).relu()
            found.append(x)
        return found


def _l2_pool(x: Tensor) -> Tensor:
    """The root of the squares' mean under a 3×3 Hann window, at every second pixel."""
    window = torch.hann_window(5, periodic=False, device=x.device)[1:-1]
    kernel = torch.outer(window, window) / window.sum() ** 2
    channels = x.shape[1]
    smoothed = functional.conv2d(x**2, kernel.expand(channels, 1, 3, 3), stride=2, padding=1, groups=channels)
    return (smoothed + 1e-12).sqrt()
