"""The building blocks that the ESRGAN and SPSR generators share."""

import torch
from torch import Tensor, nn
from torch.nn import functional

RESIDUAL_SCALE = 0.2
NEGATIVE_SLOPE = 0.2


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution with bias and the zero padding that keeps the size at stride 1."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2)


class ImageConv(nn.Conv2d):
    """A convolution that makes an image or a gradient map, in the precision of its weights under autocast, too.

    In bfloat16 an image would be rounded to 1/256 in [0.5, 1), before gradient maps whose smallest value is 1e-3.
    """

    def forward(self, x: Tensor) -> Tensor:
        kind = x.device.type
        if x.is_meta or not torch.is_autocast_enabled(kind):
            return super().forward(x)
        with torch.autocast(kind, enabled=False):
            return super().forward(x.to(self.weight.dtype))


def image_conv(inputs: int, kernel: int = 3) -> ImageConv:
    """The last convolution of a generator, from features to three colours, zero padded to keep the size."""
    return ImageConv(inputs, 3, kernel, padding=(kernel - 1) // 2)


def leaky_relu(x: Tensor) -> Tensor:
    """LeakyReLU with the slope of ESRGAN, 0.2, in the place of what a convolution has just made."""
    return functional.leaky_relu(x, NEGATIVE_SLOPE, inplace=True)


def with_residual(x: Tensor, residual: Tensor) -> Tensor:
    """`x` and the scaled residual, which a layer has just made and is overwritten.

    On a GPU both operations are one kernel, which rounds once instead of twice.
    """
    if residual.is_cuda:
        return torch.add(x, residual, alpha=RESIDUAL_SCALE)
    return residual.mul_(RESIDUAL_SCALE).add_(x)


class DenseBlock(nn.Module):
    """Five densely connected convolutions with a scaled residual (ESRGAN's RDB).

    Convolution i sees the input and the outputs of all convolutions before it, concatenated in this order.
    `N x channels x H x W` in and out.
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        outputs = [growth] * 4 + [channels]
        self.convs = nn.ModuleList(conv(channels + i * growth, outputs[i]) for i in range(5))

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.convs[:4]:
            seen = torch.cat(features, dim=1) if len(features) > 1 else x
            features.append(leaky_relu(layer(seen)))
        return with_residual(x, self.convs[4](torch.cat(features, dim=1)))


class RRDB(nn.Module):
    """Residual in residual dense block: three dense blocks in a row with a scaled residual (ESRGAN)."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList(DenseBlock(channels, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for block in self.dense:
            y = block(y)
        return with_residual(x, y)


class NearestConv(nn.Module):
    """Nearest-neighbour x2 and a convolution: `N x C x H x W` to `N x C x 2H x 2W`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2, mode="nearest"))


class UpConv(NearestConv):
    """Nearest-neighbour x2, convolution, LeakyReLU: `N x C x H x W` to `N x C x 2H x 2W`."""

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(super().forward(x))


class PixelShuffleConv(nn.Module):
    """Convolution to four times the channels, then pixel shuffle: `N x C x H x W` to `N x C x 2H x 2W`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv(channels, 4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.conv(x), 2)


def initialise(module: nn.Module, gain: float) -> None:
    """Initialise as the official code does: Kaiming normal (fan in) times `gain`, biases 0, norms 1 and 0.

    The official code uses gain 0.1 for generators and 1 for discriminators.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, a=0, mode="fan_in")
            with torch.no_grad():
                layer.weight *= gain
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)
