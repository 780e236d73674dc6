"""Where SFTGAN's probability maps of eight categories come from: one interface, several providers.

A provider maps images N×3×H×W in [0, 1] to probabilities N×8×H×W that sum to one over the categories. The images are
bicubic enlargements of the LR images, which is what the authors' network was made for.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spsr.config.settings import MAP_PROVIDERS, MAP_WEIGHTS
from spsr.data import weights
from spsr.errors import InputError
from spsr.metrics.torchvision_ops import import_torchvision
from spsr.models.bicubic import enlarge
from spsr.models.checkpoint import read_state
from spsr.models.fit import load_strictly
from spsr.models.outdoor_scene import OutdoorSceneSeg
from spsr.models.unfilled import Unfilled
from spsr.models.vgg import ImageNetNormalise

CATEGORIES = ("background", "sky", "water", "grass", "mountain", "building", "plant", "animal")
BACKGROUND = 0

Provider = Callable[[Tensor], Tensor]

_ANIMALS, _PLANTS = (3, 8, 10, 12, 13, 17), (16,)
"""Pascal VOC's bird, cat, cow, dog, horse and sheep, and its potted plant; everything else is background."""


def provider(name: str) -> Provider:
    """A provider by its name.

    Raises:
        InputError: no such provider, or its weights are not there, with the command that gets them.
    """
    if name == "colour":
        return colour_rule
    if name == "outdoor_scene":
        return _outdoor_scene()
    if name == "deeplab":
        return _deeplab()
    raise InputError(f"probability maps '{name}': no such provider; choose one of {', '.join(MAP_PROVIDERS)}")


def maps_of(lr: Tensor, name: str) -> Tensor:
    """Probability maps N×8×4h×4w of LR images N×3×h×w in [0, 1] by the provider `name`."""
    if lr.is_meta:
        return lr.new_empty(len(lr), len(CATEGORIES), 4 * lr.shape[-2], 4 * lr.shape[-1])
    with torch.no_grad():
        return provider(name)(enlarge(lr.float())).to(lr.dtype)


def categories(images: Tensor, name: str) -> Tensor:
    """The prevailing category of each image N×3×H×W: N integers, of which `BACKGROUND` says nothing."""
    if images.is_meta:
        return torch.zeros(len(images), dtype=torch.long, device="meta")
    with torch.no_grad():
        return provider(name)(images.float()).mean((2, 3)).argmax(1)


def check_maps(maps: Tensor, height: int, width: int, place: str) -> Tensor:
    """`maps` as 1×8×height×width floats.

    Raises:
        InputError: another shape, or values that are no probabilities; `place` is named.
    """
    if maps.shape != (len(CATEGORIES), height, width):
        shape = "x".join(map(str, maps.shape))
        raise InputError(
            f"{place}: has shape {shape}, but {len(CATEGORIES)}x{height}x{width} is needed; "
            "make the maps from the image's bicubic enlargement"
        )
    maps = maps.float()
    if not bool(((maps >= 0) & (maps <= 1)).all()) or not torch.allclose(
        maps.sum(0), torch.ones(height, width), atol=1e-3
    ):
        raise InputError(
            f"{place}: the maps are no probabilities that sum to one at each pixel; save them after softmax"
        )
    return maps.unsqueeze(0)


def colour_rule(images: Tensor) -> Tensor:
    """Probabilities from mean colour and local contrast in a window of 9×9 pixels; needs no weights.

    A stand-in for a segmentation network: smooth blue areas are sky where bright and water where dark, green ones
    grass where smooth and plants where rough, grey ones mountain and building by their roughness, reddish ones
    animals.
    """
    window = partial(functional.avg_pool2d, kernel_size=9, stride=1, padding=4, count_include_pad=False)
    luma = images.mean(1, keepdim=True)
    rough = (window(luma**2) - window(luma) ** 2).clamp(min=0).sqrt()
    colour = window(images)
    red, green, blue = colour.split(1, dim=1)
    light = colour.mean(1, keepdim=True) - 0.5
    grey = 0.6 - 4 * (colour.amax(1, keepdim=True) - colour.amin(1, keepdim=True))
    smooth = (1 - rough / 0.08).clamp(-1, 1)
    leafy = 8 * (green - (red + blue) / 2)
    bluish = 4 * (blue - (red + green) / 2)
    scores = torch.cat(
        [
            torch.full_like(luma, 0.3),
            bluish + smooth + 2 * light,
            bluish + 0.5 * smooth - 2 * light,
            leafy + smooth / 2,
            grey + 3 * rough - light,
            grey + 6 * rough,
            leafy + 5 * rough,
            4 * (red - blue) + 2 * rough - leafy / 2,
        ],
        dim=1,
    )
    return (4 * scores).softmax(1)


@lru_cache(maxsize=1)
def _outdoor_scene() -> Provider:
    file = weights.path(MAP_WEIGHTS["outdoor_scene"])
    with Unfilled():
        network = OutdoorSceneSeg()
    load_strictly(network, read_state(file), str(file))
    return _placed(network.eval().requires_grad_(False))


@lru_cache(maxsize=1)
def _deeplab() -> Provider:
    file = weights.path(MAP_WEIGHTS["deeplab"])
    with Unfilled():
        network = import_torchvision().models.segmentation.deeplabv3_resnet50(
            weights=None, weights_backbone=None, num_classes=21, aux_loss=True
        )
    load_strictly(network, read_state(file), str(file))
    seen = _placed(nn.Sequential(ImageNetNormalise(), network).eval().requires_grad_(False))
    return lambda images: from_voc(seen(images)["out"].softmax(1))


def from_voc(probabilities: Tensor) -> Tensor:
    """Probabilities of Pascal VOC's 21 classes, N×21×H×W, summed to the eight categories."""
    mapped = probabilities.new_zeros(len(probabilities), len(CATEGORIES), *probabilities.shape[2:])
    for name, classes in (("animal", _ANIMALS), ("plant", _PLANTS)):
        mapped[:, CATEGORIES.index(name)] = torch.stack([probabilities[:, each] for each in classes], 1).sum(1)
    mapped[:, BACKGROUND] = 1 - mapped.sum(1)
    return mapped


def _placed(network: nn.Module) -> Callable[[Tensor], Any]:
    """The network, on the device of whatever it is given."""
    return lambda images: network.to(images.device)(images)
