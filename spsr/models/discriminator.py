"""The VGG-style discriminators on images, gradient maps and structure features."""

from math import log2

from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.layers import NEGATIVE_SLOPE, initialise

MAP_SIZE = 4
HIDDEN = 100


def halving_stages(in_channels: int, channels: int, stages: int, slope: float) -> nn.Sequential:
    """Stages of a 3x3 and a halving 4x4 convolution; stage i has `min(2^i, 8) * channels` channels.

    Each convolution but the first is followed by batch normalisation, each by a LeakyReLU with the given slope.
    """
    layers: list[nn.Module] = []
    before = in_channels
    for stage in range(stages):
        width = channels * min(2**stage, 8)
        for kernel, stride, inputs in ((3, 1, before), (4, 2, width)):
            layers.append(nn.Conv2d(inputs, width, kernel, stride, padding=1))
            if len(layers) > 1:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(slope, inplace=True))
        before = width
    return nn.Sequential(*layers)


class VggDiscriminator(nn.Module):
    """Stages of a 3x3 and a halving 4x4 convolution down to 4x4, then two linear layers; one raw logit a sample.

    Its LeakyReLUs have slope 0.2. Keys are those of the official code (`features.N`, `classifier.N`).

    - `size=128` is the official VGG-128 discriminator of images and gradient maps (14,502,281 parameters);
    - `size=32, in_channels=32` is the one of structure features (2,175,689), the official code's 32-pixel variant;
    - `size=8, channels=256` is ours for VGG19 and ResNet18 features, for which no official one exists;
    - `size=4` has no convolution: the linear layers see the features themselves.

    Weights start as in the official code: Kaiming normal, biases 0.

    Args:
        in_channels: channels of the input.
        size: side of the input; 4 times a power of two. Maps that are a little larger and still end at 4x4
            (130x130 gradient maps for size 128, 66x66 for 64) are accepted.
        channels: channels of the first stage.
    """

    def __init__(self, in_channels: int = 3, size: int = 128, channels: int = 64) -> None:
        super().__init__()
        stages = round(log2(size / MAP_SIZE)) if size >= MAP_SIZE else -1
        if stages < 0 or MAP_SIZE * 2**stages != size:
            raise InputError(f"discriminator for inputs of {size} pixels: the side must be 4, 8, 16, 32, 64 or 128 ...")
        self.size = size
        self.features = halving_stages(in_channels, channels, stages, NEGATIVE_SLOPE)
        width = channels * min(2 ** (stages - 1), 8) if stages else in_channels
        self.classifier = nn.Sequential(
            nn.Linear(width * MAP_SIZE**2, HIDDEN), nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True), nn.Linear(HIDDEN, 1)
        )
        initialise(self, gain=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `N x in_channels x size x size` to logits `N x 1`."""
        features = self.features(x)
        if features.shape[-2:] != (MAP_SIZE, MAP_SIZE):
            raise InputError(
                f"discriminator for inputs of {self.size} pixels: got {x.shape[-2]}x{x.shape[-1]}; "
                "build it with the size of the training patches"
            )
        return self.classifier(features.flatten(1))
