"""ResNet18 up to the end of conv4_x, the structure extractor of SPSR-ResNet (Table 6)."""

from collections.abc import Mapping
from typing import Self

from torch import Tensor, nn

from spsr.models.fit import load_strictly
from spsr.models.vgg import ImageNetNormalise


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with norm, plus the input (through a 1x1 convolution where the size changes)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(y)) + self.downsample(x)).relu()


class ResNet18(nn.Module):
    """`N x 3 x H x W` RGB in [0, 1] to the paper's "Conv4_2", `N x 256 x H/16 x W/16`, values >= 0. Frozen.

    Conv4_2 is the output of the second block of conv4_x (torchvision's `layer3[1]`) after its ReLU. ImageNet's mean
    and standard deviation are taken out first. Norms use their stored statistics always, also after `train()`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.normalise = ImageNetNormalise()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        return super().train(False)

    def load(self, state: Mapping[str, Tensor]) -> Self:
        """Take the weights of torchvision's resnet18; its last stage and classifier are not used.

        Raises:
            InputError: a key or a shape does not fit.
        """
        used = {k: v for k, v in state.items() if not k.startswith(("layer4.", "fc."))}
        load_strictly(self, used, "ResNet18 weights")
        return self

    def forward(self, image: Tensor) -> Tensor:
        x = self.maxpool(self.bn1(self.conv1(self.normalise(image))).relu())
        return self.layer3(self.layer2(self.layer1(x)))
