"""SRResNet without batch normalisation (BasicSR's `sr_resnet`), the second other base network of Table 7."""

from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.edsr import ResidualBlock
from spsr.models.layers import PixelShuffleConv, conv, initialise


class SRResNet(nn.Module):
    """SRResNet x4 (1,554,499 parameters at its default size).

    Input `N x 3 x h x w` in [0, 1], output `N x 3 x 4h x 4w`, not clamped. Weights start as in BasicSR: Kaiming
    normal times 0.1, biases 0.

    Args:
        features: channels.
        blocks: number of residual blocks.
        scale: 4, the only one.
    """

    def __init__(self, features: int = 64, blocks: int = 16, scale: int = 4) -> None:
        super().__init__()
        if scale != 4:
            raise InputError(f"generator size scale={scale}: SRResNet has scale 4 only; leave `scale` out")
        self.head = conv(3, features)
        self.body = nn.ModuleList(ResidualBlock(features, scale=1.0) for _ in range(blocks))
        self.body_end = conv(features, features)
        self.upsample = nn.ModuleList(PixelShuffleConv(features) for _ in range(2))
        self.hr = conv(features, features)
        self.tail = conv(features, 3)
        initialise(self, gain=0.1)

    def forward(self, lr: Tensor) -> Tensor:
        first = self.head(lr)
        x = first
        for block in self.body:
            x = block(x)
        x = first + self.body_end(x)
        for up in self.upsample:
            x = up(x).relu()
        return self.tail(self.hr(x).relu())
