"""The neural structure extractor (NSE) of the paper, and the heads that its self-supervised tasks train (Sec. 3.4).

The paper states six convolutions with ReLU, two skips, a receptive field of 31x31, stride 4 and 32 output channels,
but no kernel sizes. Of the five chains of kernels in {3, 5, 7} that fit all of it with plain skips, this is the one
with 3x3 kernels only, which halves at the first and the fourth convolution.
"""

from torch import Tensor, nn

from spsr.models.layers import conv

RECEPTIVE_FIELD = 31
STRIDE = 4
CHANNELS = 32


WIDTHS = (3, 64, 64, 64, CHANNELS, CHANNELS, CHANNELS)
STRIDES = (2, 1, 1, 2, 1, 1)
SKIPS = ((2, 3), (5, 6))
"""The first and the last of the convolutions (from 1) that each skip spans."""


class NSE(nn.Module):
    """Neural structure extractor F: `N x 3 x H x W` in [0, 1] to features >= 0, `N x 32 x H/4 x W/4`.

    Cell (i, j) of the output sees the 31x31 pixels around pixel (4i, 4j). Weights start as PyTorch's default.
    112,608 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(WIDTHS[i], WIDTHS[i + 1], stride=STRIDES[i]) for i in range(6))

    def forward(self, image: Tensor) -> Tensor:
        start_of_end = {end: start for start, end in SKIPS}
        inputs: list[Tensor] = []
        x = image
        for number, layer in enumerate(self.convs, start=1):
            inputs.append(x)
            x = layer(x)
            if number in start_of_end:
                x = x + inputs[start_of_end[number] - 1]
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
