"""The networks of NatSR (Soh et al. 2019): its generator FRSR, its naturalness discriminator, its GAN discriminator."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from spsr.errors import InputError
from spsr.models.interpolation import hand_through, quieten
from spsr.models.layers import NEGATIVE_SLOPE, PixelShuffleConv, conv, image_conv

RESIDUAL_SCALE = 0.1


def _start(network: nn.Module, followed_by_relu: frozenset[nn.Module]) -> None:
    """Initialise as the authors' code does: He before a ReLU, Glorot elsewhere, biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            if layer in followed_by_relu:
                nn.init.kaiming_normal_(layer.weight, mode="fan_in")
            else:
                nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class FusedDenseBlock(nn.Module):
    """Densely connected convolutions with ReLU, fused by a 1x1 convolution, times 0.1, plus the input."""

    def __init__(self, features: int, layers: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(features * (i + 1), features) for i in range(layers))
        self.fuse = conv(features * (layers + 1), features, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.convs:
            features.append(layer(torch.cat(features, dim=1)).relu())
        return x + RESIDUAL_SCALE * self.fuse(torch.cat(features, dim=1))


class FRSR(nn.Module):
    """The fractal residual generator of NatSR, x4 (4,959,235 parameters at its default size).

    Input `N x 3 x h x w` in [0, 1], output `N x 3 x 4h x 4w`, not clamped. Skips run over every pair of blocks, every
    pair of pairs, and so on, as in the authors' code.

    Args:
        features: channels.
        blocks: number of dense blocks, a power of two.
        layers: 3x3 convolutions of a block.
    """

    def __init__(self, features: int = 64, blocks: int = 8, layers: int = 5) -> None:
        super().__init__()
        if blocks & (blocks - 1):
            raise InputError(f"generator size blocks={blocks}: the blocks of FRSR are nested in pairs; give 2, 4 or 8")
        self.head = conv(3, features)
        dense = [FusedDenseBlock(features, layers) for _ in range(blocks)]
        self.blocks = nn.ModuleList(dense)
        self.body_end = conv(features, features)
        self.upsample = nn.ModuleList(PixelShuffleConv(features) for _ in range(2))
        self.tail = image_conv(features)
        _start(self, frozenset(layer for block in dense for layer in block.convs))

    def start_from_interpolation(self) -> None:
        """Start as a bilinear enlargement; see `spsr.models.interpolation`."""
        hand_through(self.head, *self.upsample, self.tail)
        quieten(self.body_end)

    def forward(self, lr: Tensor) -> Tensor:
        first = self.head(lr)
        x = first + self.body_end(self._fractal(first, 0, len(self.blocks)))
        for up in self.upsample:
            x = up(x)
        return self.tail(x)

    def _fractal(self, x: Tensor, begin: int, end: int) -> Tensor:
        """Blocks `begin` to `end` with a skip over each half-and-half of them."""
        if end - begin == 1:
            return self.blocks[begin](x)
        middle = (begin + end) // 2
        return x + self._fractal(self._fractal(x, begin, middle), middle, end)


class NMD(nn.Module):
    """The natural manifold discriminator: natural images from distorted ones (4,689,985 parameters).

    Four pairs of 3x3 convolutions with ReLU and max-pooling, a convolution to one channel, and the mean over pixels:
    `N x 3 x H x W` in [0, 1], sides of 16 pixels or more, to logits `N x 1`.

    Args:
        channels: of the first pair; doubled by each of the others.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        widths = [3, *(channels * 2**stage for stage in range(4))]
        self.convs = nn.ModuleList(
            conv(inputs, width) for before, width in itertools.pairwise(widths) for inputs in (before, width)
        )
        self.out = conv(widths[-1], 1)
        _start(self, frozenset(self.convs))

    def forward(self, image: Tensor) -> Tensor:
        x = image
        for number, layer in enumerate(self.convs):
            x = layer(x).relu()
            if number % 2:
                x = functional.max_pool2d(x, 2)
        return self.out(x).mean((2, 3))


class SpectralDiscriminator(nn.Module):
    """NatSR's GAN discriminator: spectrally normalised convolutions, mean of logits (18,852,417 parameters).

    Five pairs of 3x3 convolutions, the second of stride 2, each followed by LeakyReLU(0.2), then a convolution to one
    channel and the mean over pixels: `N x in_channels x H x W` to logits `N x 1`. Spectral norms are estimated by
    one power iteration at each forward pass in training mode.

    Args:
        in_channels: channels of the input.
        channels: of the first pair; doubled by each of the others.
    """

    def __init__(self, in_channels: int = 3, channels: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = in_channels
        for stage in range(5):
            width = channels * 2**stage
            for inputs, stride in ((before, 1), (width, 2)):
                layers += [self._normalised(inputs, width, stride), nn.LeakyReLU(NEGATIVE_SLOPE)]
            before = width
        self.features = nn.Sequential(*layers)
        self.out = self._normalised(before, 1, 1)

    @staticmethod
    def _normalised(inputs: int, outputs: int, stride: int) -> nn.Module:
        layer = conv(inputs, outputs, stride=stride)
        nn.init.kaiming_normal_(layer.weight, mode="fan_in")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return spectral_norm(layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.features(x)).mean((2, 3))
