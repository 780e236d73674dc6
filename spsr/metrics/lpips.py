"""LPIPS (Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018).

Version 0.1 with the calibrated linear heads of the `lpips` package, on an ImageNet network whose weights come from
a local file; nothing is downloaded here.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from spsr.errors import InputError, naming
from spsr.metrics.fidelity import RGB, check_pair, size_text
from spsr.metrics.torchvision_ops import import_torchvision
from spsr.tensors import channels_first, read_safetensors, read_torch

if TYPE_CHECKING:
    from lpips import LPIPS

Network = Literal["alex", "vgg", "squeeze"]
Features = tuple[torch.Tensor, ...]

WEIGHTS = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet"}
"""The entry of the weight registry that each network's ImageNet weights are taken from."""

_SMALLEST_SIDE = {"alex": 31, "vgg": 16, "squeeze": 17}


class Lpips:
    """The distance between two images; 0 for equal ones, lower is better.

    Args:
        net: `alex` (the paper's), `vgg` or `squeeze`.
        backbone: the network's ImageNet weights, a safetensors file with torchvision's names
            (`features.0.weight`, …), such as `spsr.data.weights.path(WEIGHTS[net])`.
        device: where it is computed.

    Raises:
        InputError: the network is not known, or the file is missing, unreadable or of another network.
    """

    def __init__(self, net: Network, backbone: Path | str, device: torch.device | str = "cpu") -> None:
        if net not in WEIGHTS:
            raise InputError(f"lpips: {net!r} is not a network of LPIPS; use one of {', '.join(WEIGHTS)}")
        self.net = net
        self._device = device
        self._distance = _assemble(net, Path(backbone)).to(device)

    def __call__(self, sr: RGB, hr: RGB | Features) -> float:
        """LPIPS of two whole uint8 H×W×3 RGB images of one size; they are not shaved.

        Args:
            hr: the original, or its `features` where several images are compared with it.

        Raises:
            InputError: see `spatial`.
        """
        with torch.inference_mode():
            return _mean_of(self._layers(sr, hr))

    def spatial(self, sr: RGB, hr: RGB | Features) -> tuple[float, NDArray[np.float32]]:
        """LPIPS as above, and where it comes from: float32 H×W, the sum of the layers' maps, drawn to full size.

        The mean of the map is close to the distance, but not equal to it: pixels near the border weigh otherwise.

        Raises:
            InputError: the images are not uint8 H×W×3 of one size, or too small for the network.
        """
        with torch.inference_mode():
            layers = self._layers(sr, hr)
            full = [interpolate(layer, sr.shape[:2], mode="bilinear", align_corners=False) for layer in layers]
            return _mean_of(layers), torch.stack(full).sum(dim=0)[0, 0].cpu().numpy()

    def features(self, image: RGB) -> Features:
        """What is compared of an image: each layer's features 1×C×h×w, of unit length at every place.

        Raises:
            InputError: the image is too small for the network.
        """
        import lpips

        if min(image.shape[:2]) < _SMALLEST_SIDE[self.net]:
            raise InputError(
                f"lpips: {size_text(image)} pixels are too few for {self.net}, which needs {_SMALLEST_SIDE[self.net]} "
                f"on a side; use larger images or leave LPIPS out"
            )
        with torch.inference_mode():
            layers = self._distance.net(self._distance.scaling_layer(_signed(image).to(self._device)))
            return tuple(lpips.normalize_tensor(layer) for layer in layers)

    def _layers(self, sr: RGB, hr: RGB | Features) -> list[torch.Tensor]:
        """The 1×1×h×w weighted squared difference of normalised features, for each layer of the network."""
        if not isinstance(hr, tuple):
            check_pair(sr, hr)
            hr = self.features(hr)
        heads = self._distance.lins
        return [head((ours - theirs) ** 2) for head, ours, theirs in zip(heads, self.features(sr), hr, strict=True)]


def _mean_of(layers: list[torch.Tensor]) -> float:
    return float(sum(layer.mean() for layer in layers))


def _signed(image: RGB) -> torch.Tensor:
    """uint8 H×W×3 → float32 1×3×H×W in [-1, 1]: x/127.5 - 1."""
    return channels_first(image)[None].contiguous().to(torch.float32) / 127.5 - 1


def _assemble(net: Network, backbone: Path) -> "LPIPS":
    import_torchvision()
    import lpips

    with warnings.catch_warnings(), torch.device("meta"):
        # Laid out without memory or random numbers: every parameter is replaced below.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        distance = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    heads_file = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    heads = read_torch(heads_file)
    features = _read_backbone(backbone)
    state = {name: _tensor_for(name, value, heads, features, backbone) for name, value in distance.state_dict().items()}
    distance.load_state_dict(state, assign=True)
    return distance.eval().requires_grad_(False)


def _tensor_for(
    name: str,
    planned: torch.Tensor,
    heads: Mapping[str, torch.Tensor],
    features: Mapping[str, torch.Tensor],
    backbone: Path,
) -> torch.Tensor:
    """The value for LPIPS's parameter `name`: fixed, of a linear head, or of the ImageNet network."""
    match name.split("."):
        case ["scaling_layer", _]:
            return planned
        case ["lins", index, *rest]:
            return heads[".".join((f"lin{index}", *rest))]
        case ["net", _, *rest]:
            value = features.get(".".join(("features", *rest)))
            if value is None or value.shape != planned.shape:
                raise InputError(
                    f"{backbone}: has no features.{'.'.join(rest)} of shape {tuple(planned.shape)}; "
                    f"give the ImageNet weights of the right network"
                )
            return value.to(torch.float32)
    return heads[name]


def _read_backbone(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: no such weight file; fetch it with `spsr fetch`")
    with naming(path):
        return read_safetensors(path)[0]
