"""The RRDB network of ESRGAN, and the part of it that SPSR shares."""

from collections.abc import Collection
from typing import Any

from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.interpolation import hand_through, quieten
from spsr.models.key_layout import KeyLayout, Size, State, channels, count
from spsr.models.layers import RRDB, UpConv, conv, image_conv, initialise, leaky_relu

UPSAMPLINGS = {1: 0, 2: 1, 4: 2}


class SRBranch(nn.Module):
    """The trunk of RRDBs up to the high-resolution features: all of the RRDB network but its last convolution.

    It is the super-resolution branch of SPSR too, which is why SPSR can start from a trained RRDB network.
    """

    def __init__(self, features: int, blocks: int, growth: int, scale: int = 4) -> None:
        super().__init__()
        if scale not in UPSAMPLINGS:
            raise InputError(f"generator size scale={scale}: an RRDB network has scale 1, 2 or 4; choose one of them")
        self.head = conv(3, features)
        self.trunk = nn.ModuleList(RRDB(features, growth) for _ in range(blocks))
        self.trunk_end = conv(features, features)
        self.upsample = nn.ModuleList(UpConv(features) for _ in range(UPSAMPLINGS[scale]))
        self.hr = conv(features, features)

    def start_from_interpolation(self) -> None:
        """Start with the colours of a bilinear enlargement as the first three features."""
        hand_through(self.head, *self.upsample, self.hr)
        quieten(self.trunk_end)

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
        self.to_rgb = image_conv(features)
        initialise(self, gain=0.1)

    def start_from_interpolation(self) -> None:
        """Start as a bilinear enlargement; see `spsr.models.interpolation`."""
        self.sr_branch.start_from_interpolation()
        hand_through(self.to_rgb)

    def forward(self, lr: Tensor) -> Tensor:
        features, _ = self.sr_branch(lr)
        return self.to_rgb(features)


def dense_layers(ours: str, theirs: str) -> dict[str, str]:
    """Our layers of one RRDB to theirs, which has places for the dense block and the convolution, counted from 1."""
    return {
        f"{ours}.dense.{block}.convs.{layer}": theirs.format(block + 1, layer + 1)
        for block in range(3)
        for layer in range(5)
    }


def old_sr_branch(blocks: int, upsamplings: int = 2) -> dict[str, str]:
    """Layers of the SR branch in the layout of SPSR and of ESRGAN before its clean-up of 2019."""
    layers = {"sr_branch.head": "model.0", "sr_branch.trunk_end": f"model.1.sub.{blocks}"}
    for n in range(blocks):
        layers |= dense_layers(f"sr_branch.trunk.{n}", f"model.1.sub.{n}.RDB{{}}.conv{{}}.0")
    for n in range(upsamplings):
        layers[f"sr_branch.upsample.{n}.conv"] = f"model.{3 + 3 * n}"
    return layers | {"sr_branch.hr": f"model.{2 + 3 * upsamplings}"}


def _old_size(state: State) -> dict[str, Any]:
    upsamplings = (count(state, r"model\.(\d+)\.weight") - 5) // 3
    if upsamplings not in UPSAMPLINGS.values():
        raise InputError(f"RRDB network with scale {2.0**upsamplings:g}; this project has scale 1, 2 and 4")
    return {
        "features": channels(state, "model.0.weight"),
        "blocks": count(state, r"model\.1\.sub\.(\d+)\.RDB"),
        "growth": channels(state, "model.1.sub.0.RDB1.conv1.0.weight"),
        "scale": 2**upsamplings,
    }


def _old_layers(size: Size) -> dict[str, str]:
    upsamplings = UPSAMPLINGS[size["scale"]]
    return old_sr_branch(size["blocks"], upsamplings) | {"to_rgb": f"model.{4 + 3 * upsamplings}"}


def _named(title: str, trunk: str, dense: str, end: str, upsampling: str, hr: str) -> KeyLayout:
    """A layout that names its layers instead of numbering them."""

    def size_of(state: State) -> dict[str, Any]:
        inputs = channels(state, "conv_first.weight", axis=1)
        if inputs != 3:
            raise InputError(
                f"{title} with {inputs} input channels (pixel unshuffle of scale 1 or 2); only scale 4 in this layout"
            )
        return {
            "features": channels(state, "conv_first.weight"),
            "blocks": count(state, rf"{trunk}\.(\d+)\."),
            "growth": channels(state, f"{trunk}.0.{dense}1.conv1.weight"),
            "scale": 4,
        }

    def layers_of(size: Size) -> dict[str, str]:
        layers = {"sr_branch.head": "conv_first", "sr_branch.trunk_end": end, "sr_branch.hr": hr, "to_rgb": "conv_last"}
        for n in range(size["blocks"]):
            layers |= dense_layers(f"sr_branch.trunk.{n}", f"{trunk}.{n}.{dense}{{}}.conv{{}}")
        return layers | {f"sr_branch.upsample.{n}.conv": f"{upsampling}{n + 1}" for n in (0, 1)}

    return KeyLayout(title, "rrdb", (f"{trunk}.0.{dense}1.conv1.weight",), size_of, layers_of)


KEY_LAYOUTS = (
    KeyLayout(
        title="RRDB network in the old ESRGAN layout",
        architecture="rrdb",
        markers=("model.1.sub.0.RDB1.conv1.0.weight",),
        size=_old_size,
        layers=_old_layers,
    ),
    _named("RRDB network in the new ESRGAN layout", "RRDB_trunk", "RDB", "trunk_conv", "upconv", "HRconv"),
    _named("RRDB network in the BasicSR layout", "body", "rdb", "conv_body", "conv_up", "conv_hr"),
)
"""ESRGAN before and after its clean-up of 2019 (BasicSR's `old arch` and `new arch`), and BasicSR."""
