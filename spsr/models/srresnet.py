"""SRResNet without batch normalisation (BasicSR's `sr_resnet`), the second other base network of Table 7."""

from typing import Any

from torch import Tensor, nn

from spsr.models.edsr import ResidualBlock
from spsr.models.interpolation import hand_through, quieten
from spsr.models.key_layout import KeyLayout, Size, State, channels, check_x4, count
from spsr.models.layers import PixelShuffleConv, conv, image_conv, initialise


class SRResNet(nn.Module):
    """SRResNet x4 (1,554,499 parameters at its default size).

    Input `N x 3 x h x w` in [0, 1], output `N x 3 x 4h x 4w`, not clamped. Weights start as in BasicSR: Kaiming
    normal times 0.1, biases 0.

    Args:
        features: channels.
        blocks: number of residual blocks.
    """

    def __init__(self, features: int = 64, blocks: int = 16) -> None:
        super().__init__()
        self.head = conv(3, features)
        self.body = nn.ModuleList(ResidualBlock(features, scale=1.0) for _ in range(blocks))
        self.body_end = conv(features, features)
        self.upsample = nn.ModuleList(PixelShuffleConv(features) for _ in range(2))
        self.hr = conv(features, features)
        self.tail = image_conv(features)
        initialise(self, gain=0.1)

    def start_from_interpolation(self) -> None:
        """Start as a bilinear enlargement; see `spsr.models.interpolation`."""
        hand_through(self.head, *self.upsample, self.hr, self.tail)
        quieten(self.body_end)

    def forward(self, lr: Tensor) -> Tensor:
        first = self.head(lr)
        x = first
        for block in self.body:
            x = block(x)
        x = first + self.body_end(x)
        for up in self.upsample:
            x = up(x).relu()
        return self.tail(self.hr(x).relu())


def _old_size(state: State) -> dict[str, Any]:
    features = channels(state, "model.0.weight")
    check_x4(state, "SRResNet without norm in the old BasicSR layout", features, "model.2.weight", "model.5.weight")
    return {"features": features, "blocks": count(state, r"model\.1\.sub\.(\d+)\.res\.")}


def _old_layers(size: Size) -> dict[str, str]:
    layers = {"head": "model.0", "body_end": f"model.1.sub.{size['blocks']}"}
    for n in range(size["blocks"]):
        layers |= {f"body.{n}.conv1": f"model.1.sub.{n}.res.0", f"body.{n}.conv2": f"model.1.sub.{n}.res.2"}
    return layers | {"upsample.0.conv": "model.2", "upsample.1.conv": "model.5", "hr": "model.8", "tail": "model.10"}


KEY_LAYOUTS = (
    KeyLayout(
        title="SRResNet without norm in the old BasicSR layout",
        architecture="srresnet",
        markers=("model.1.sub.0.res.0.weight",),
        size=_old_size,
        layers=_old_layers,
    ),
)
"""BasicSR's old `sr_resnet`."""
