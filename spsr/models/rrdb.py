"""The RRDB network of ESRGAN, and the part of it that SPSR shares."""

from collections.abc import Collection

from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.layers import RRDB, UpConv, conv, initialise, leaky_relu

UPSAMPLINGS = {1: 0, 2: 1, 4: 2}


class SRBranch(nn.Module):
    """The trunk of RRDBs up to the high-resolution features: all of the RRDB network but its last convolution.

    It is the super-resolution branch of SPSR too, which is why SPSR can start from a trained RRDB network.
    """

    def __init__(self, features: int, blocks: int, growth: int, scale: int) -> None:
        super().__init__()
        if scale not in UPSAMPLINGS:
            raise InputError(f"generator size scale={scale}: an RRDB network has scale 1, 2 or 4; choose one of them")
        self.head = conv(3, features)
        self.trunk = nn.ModuleList(RRDB(features, growth) for _ in range(blocks))
        self.trunk_end = conv(features, features)
        self.upsample = nn.ModuleList(UpConv(features) for _ in range(UPSAMPLINGS[scale]))
        self.hr = conv(features, features)

    def forward(self, lr: Tensor, taps: Collection[int] = ()) -> tuple[Tensor, dict[int, Tensor]]:
        """Map `N x 3 x h x w` to features `N x features x sh x sw`.

        Returns:
            The features after the activation, and the trunk's output after every block in `taps` (counted from 1).
        """
        first = self.head(lr)
        x = first
        tapped = {}
        for number, block in enumerate(self.trunk, start=1):
            x = block(x)
            if number in taps:
                tapped[number] = x
        x = first + self.trunk_end(x)
        for up in self.upsample:
            x = up(x)
        return leaky_relu(self.hr(x)), tapped


class RRDBNet(nn.Module):
    """Generator of ESRGAN (Wang et al. 2018) and, trained with L1 only, the paper's PSNR-oriented RRDB.

    Input `N x 3 x h x w` in [0, 1], output `N x 3 x sh x sw`, not clamped. Weights start as in the official code:
    Kaiming normal times 0.1, biases 0.

    Args:
        features: channels of the trunk.
        blocks: number of RRDBs.
        growth: channels that each dense convolution adds.
        scale: 1, 2 or 4.
    """

    def __init__(self, features: int = 64, blocks: int = 23, growth: int = 32, scale: int = 4) -> None:
        super().__init__()
        self.sr_branch = SRBranch(features, blocks, growth, scale)
        self.to_rgb = conv(features, 3)
        initialise(self, gain=0.1)

    def forward(self, lr: Tensor) -> Tensor:
        features, _ = self.sr_branch(lr)
        return self.to_rgb(features)
