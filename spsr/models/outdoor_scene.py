"""The segmentation network of SFTGAN's authors (Wang et al. 2018): outdoor scenes in eight categories.

Keys are those of the authors' `segmentation_OST_bic.pth`, so that it loads as it is.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

BGR_MEAN = (103.939, 116.779, 123.68)
MULTIPLE = 8


def _normalised(inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel - 1) // 2
    return [nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False), nn.BatchNorm2d(outputs)]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with batch normalisation, plus the input (projected where the width changes)."""

    def __init__(self, inputs: int, middle: int, outputs: int, dilation: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.res = nn.Sequential(
            *_normalised(inputs, middle, 1),
            nn.ReLU(),
            *_normalised(middle, middle, 3, stride, dilation),
            nn.ReLU(),
            *_normalised(middle, outputs, 1),
        )
        if inputs != outputs:
            self.proj = nn.Sequential(*_normalised(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return (self.res(x) + (self.proj(x) if hasattr(self, "proj") else x)).relu()


class OutdoorSceneSeg(nn.Module):
    """`N x 3 x H x W` RGB in [0, 1] to probabilities of eight categories, `N x 8 x H x W` (52.07 million parameters).

    The authors give it the bicubic enlargement of the LR image. Inside it is BGR in 0..255 without the mean colour;
    sides are padded to multiples of 8 by their edge, and the result is cut back.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(BGR_MEAN).view(1, 3, 1, 1), persistent=False)
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 64, 2), (64, 64, 1), (64, 128, 1)):
            layers += [*_normalised(inputs, outputs, 3, stride), nn.ReLU()]
        layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
        before = 128
        for count, middle, dilation, stride in ((3, 64, 1, 1), (4, 128, 1, 2), (23, 256, 2, 1), (3, 512, 4, 1)):
            for block in range(count):
                layers.append(Bottleneck(before, middle, 4 * middle, dilation, stride if block == 0 else 1))
                before = 4 * middle
        layers += [*_normalised(2048, 512, 3), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(512, 8, 1)]
        self.feature = nn.Sequential(*layers)
        self.deconv = nn.ConvTranspose2d(8, 8, 16, stride=8, padding=4, groups=8, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        levels = image.flip(1) * 255 - self.mean
        padded = functional.pad(levels, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        return self.deconv(self.feature(padded)).softmax(1)[..., :height, :width]
