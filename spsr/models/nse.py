"""The neural structure extractor (NSE) of the paper, and the heads that its self-supervised tasks train (Sec. 3.4).

The paper states six convolutions with ReLU, two skips, a receptive field of 31x31, stride 4 and 32 output channels,
but no kernel sizes. Only five chains of kernels in {3, 5, 7} fit all of it with plain skips: designs A to E.
"""

from typing import NamedTuple

from torch import Tensor, nn

from spsr.errors import InputError
from spsr.models.layers import conv

RECEPTIVE_FIELD = 31
STRIDE = 4
CHANNELS = 32


class Design(NamedTuple):
    """Kernels and strides of the six convolutions, and the two pairs of convolutions (from 1) that a skip spans."""

    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    skips: tuple[tuple[int, int], tuple[int, int]]


DESIGNS = {
    "A": Design((3, 3, 3, 3, 3, 3), (2, 1, 1, 2, 1, 1), ((2, 3), (5, 6))),
    "B": Design((7, 3, 3, 3, 3, 5), (2, 1, 1, 1, 1, 2), ((2, 3), (4, 5))),
    "C": Design((3, 3, 3, 3, 3, 7), (2, 1, 1, 1, 1, 2), ((2, 3), (4, 5))),
    "D": Design((3, 3, 3, 5, 5, 3), (2, 1, 1, 1, 1, 2), ((2, 3), (4, 5))),
    "E": Design((3, 5, 5, 3, 3, 3), (2, 1, 1, 1, 1, 2), ((2, 3), (4, 5))),
}


class NSE(nn.Module):
    """Neural structure extractor F: `N x 3 x H x W` in [0, 1] to features >= 0, `N x 32 x H/4 x W/4`.

    Cell (i, j) of the output sees the 31x31 pixels around pixel (4i, 4j). Widths are 64 up to the second
    halving and 32 from it on. Weights start as PyTorch's default.

    Args:
        design: "A" (all kernels 3, 112,608 parameters; ours) or one of "B" to "E".
    """

    def __init__(self, design: str = "A") -> None:
        super().__init__()
        if design not in DESIGNS:
            raise InputError(f"NSE design '{design}': unknown; choose one of {', '.join(DESIGNS)}")
        kernels, strides, skips = DESIGNS[design]
        self.skip_of_end = {end: start for start, end in skips}
        last_halving = max(i for i, stride in enumerate(strides) if stride == 2)
        widths = [3] + [64 if i < last_halving else CHANNELS for i in range(6)]
        self.convs = nn.ModuleList(conv(widths[i], widths[i + 1], kernels[i], strides[i]) for i in range(6))

    def forward(self, image: Tensor) -> Tensor:
        inputs: list[Tensor] = []
        x = image
        for number, layer in enumerate(self.convs, start=1):
            inputs.append(x)
            x = layer(x)
            if number in self.skip_of_end:
                x = x + inputs[self.skip_of_end[number] - 1]
            x = x.relu()
        return x


def _perceptron(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, outputs))


class Predictor(nn.Module):
    """Head P of the contrastive task: predicts the vector of a cell from those of its neighbours (eq. 11).

    Maps `N x vectors x 32` to `N x 32`. 90,656 parameters for two neighbours, 107,040 for four (crossing).
    """

    def __init__(self, vectors: int = 2) -> None:
        super().__init__()
        self.layers = _perceptron(vectors * CHANNELS, CHANNELS)

    def forward(self, neighbours: Tensor) -> Tensor:
        return self.layers(neighbours.flatten(1))


class JigsawHead(nn.Module):
    """Head J of the jigsaw task: tells which of the 24 orders four vectors are in (eq. 13).

    Maps `N x 4 x channels` to logits `N x 24`. 104,984 parameters for the 32 channels of the NSE.
    """

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.layers = _perceptron(4 * channels, 24)

    def forward(self, pieces: Tensor) -> Tensor:
        return self.layers(pieces.flatten(1))
