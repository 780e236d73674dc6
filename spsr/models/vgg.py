"""VGG19 up to conv5_4, the features of the perceptual loss and of SPSR-VGG (Table 6)."""

from collections.abc import Mapping
from typing import Literal, Self

import torch
from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.fit import load_strictly

Preprocessing = Literal["torchvision", "caffe"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


class ImageNetNormalise(nn.Module):
    """Subtracts ImageNet's mean colour from RGB in [0, 1] and divides by its standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


class VGG19(nn.Module):
    """`N x 3 x H x W` RGB in [0, 1] (not clamped) to conv5_4 before its ReLU, `N x 512 x H/16 x W/16`. Frozen.

    `features.N` counts as torchvision does, so that conv5_4 is `features.34`.

    Args:
        preprocessing: what the weights expect. `torchvision`: ImageNet's mean and standard deviation are taken out.
            `caffe`: a 1x1 convolution `input`, part of the weights, turns RGB in [0, 1] into mean-free BGR levels
            (the normalised Caffe weights of Gatys et al.; their features are about ten times larger).
    """

    def __init__(self, preprocessing: Preprocessing = "torchvision") -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.input = nn.Conv2d(3, 3, 1) if preprocessing == "caffe" else ImageNetNormalise()
        layers: list[nn.Module] = []
        channels = 3
        for stage, (width, count) in enumerate(STAGES):
            if stage > 0:
                layers.append(nn.MaxPool2d(2))
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
        self.features = nn.Sequential(*layers[:-1])
        self.requires_grad_(False)
        self.eval()

    def load(self, state: Mapping[str, Tensor]) -> Self:
        """Take weights with torchvision's keys (and `input.*` with `caffe`); its classifier is not used.

        Raises:
            InputError: a key or a shape does not fit, or the weights are for the other preprocessing.
        """
        if ("input.weight" in state) != (self.preprocessing == "caffe"):
            other = "caffe" if "input.weight" in state else "torchvision"
            raise InputError(
                f"VGG19 weights: made for preprocessing '{other}', not '{self.preprocessing}'; name the former"
            )
        load_strictly(self, {k: v for k, v in state.items() if not k.startswith("classifier.")}, "VGG19 weights")
        return self

    def forward(self, image: Tensor) -> Tensor:
        return self.features(self.input(image))
