"""The original SRResNet with batch normalisation (Ledig et al. 2017): the generator of the released SRGAN."""

from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.layers import PixelShuffleConv, conv

KERAS_EPSILON = 1e-3
KERAS_MOMENTUM = 0.01


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
        scale: 4, the only one.
    """

    def __init__(self, features: int = 64, blocks: int = 16, scale: int = 4) -> None:
        super().__init__()
        if scale != 4:
            raise InputError(f"generator size scale={scale}: SRResNet has scale 4 only; leave `scale` out")
        self.head = conv(3, features, kernel=9)
        self.head_activation = nn.PReLU(features)
        self.body = nn.ModuleList(NormResidualBlock(features) for _ in range(blocks))
        self.body_end = conv(features, features)
        self.body_norm = _batch_norm(features)
        self.upsample = nn.ModuleList(PixelShuffleConv(features) for _ in range(2))
        self.upsample_activation = nn.ModuleList(nn.PReLU(features) for _ in range(2))
        self.tail = conv(features, 3, kernel=9)
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
