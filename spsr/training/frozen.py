"""The networks that nothing trains: VGG19, the structure extractors and the naturalness discriminator."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from spsr.config import Compute, Config
from spsr.config.settings import NATURALNESS
from spsr.data import weights
from spsr.data.inputs import weights_file
from spsr.errors import InputError, naming
from spsr.models import architecture, build, from_checkpoint
from spsr.models.resnet import ResNet18
from spsr.models.unfilled import Unfilled
from spsr.models.vgg import VGG19
from spsr.tensors import read_safetensors
from spsr.training.process import placed
from spsr.training.working_weights import rounded


@dataclass(frozen=True)
class FrozenNetworks:
    """The networks that a method's terms look through and nothing trains; none where no term needs one.

    Attributes:
        perceptual: VGG19 of the perceptual comparison.
        structure: the structure extractor F.
        naturalness: the naturalness discriminator.
    """

    perceptual: nn.Module | None = None
    structure: nn.Module | None = None
    naturalness: nn.Module | None = None

    def placed(self, device: torch.device | str, compute: Compute) -> "FrozenNetworks":
        """The same networks on a device, in the memory layout and the precision that the preset chooses."""
        networks = (self.perceptual, self.structure, self.naturalness)
        return FrozenNetworks(
            *(
                network if network is None else rounded(placed(network, device, compute), compute)
                for network in networks
            )
        )


def load_frozen(config: Config, name: str, device: torch.device | str = "cpu") -> FrozenNetworks:
    """The frozen networks of a method with their weights.

    Raises:
        InputError: weights are not there (with the command that gets them), damaged, or of another network.
    """
    frozen = _frozen(
        config,
        name,
        perceptual=lambda entry: load_vgg19(weights.path(entry)),
        structure=lambda extractor: load_extractor(config, extractor),
        naturalness=lambda: load_judge(config),
    )
    return frozen.placed(device, config.preset.compute)


def fresh_frozen(config: Config, name: str) -> FrozenNetworks:
    """The frozen networks of a method with random weights, to count and to time their operations."""
    return _frozen(
        config,
        name,
        perceptual=lambda entry: VGG19(),
        structure=lambda extractor: _fresh_extractor(config, extractor),
        naturalness=lambda: build(NATURALNESS, **config.size(NATURALNESS)).eval().requires_grad_(False),
    )


def _frozen(
    config: Config,
    name: str,
    perceptual: Callable[[str], nn.Module],
    structure: Callable[[str], nn.Module],
    naturalness: Callable[[], nn.Module],
) -> FrozenNetworks:
    """What a method needs, made by the given functions. Terms that look through the same weights share a network."""
    method = config.method(name)
    vgg19 = config.preset.perceptual.weights if method.needs_perceptual else None
    extractor = method.extractor if method.needs_structure else None
    seen = None if extractor is None else structure(extractor)
    shared = vgg19 is not None and extractor is not None and config.extractor_weights(extractor) == vgg19
    return FrozenNetworks(
        perceptual=seen if shared else None if vgg19 is None else perceptual(vgg19),
        structure=seen,
        naturalness=naturalness() if method.needs_naturalness else None,
    )


def _fresh_extractor(config: Config, name: str) -> nn.Module:
    extractor = config.extractor(name)
    fresh = {"nse": lambda: build("nse"), "vgg19": VGG19, "resnet18": ResNet18}
    return fresh[extractor.network]().eval().requires_grad_(False)


def load_extractor(config: Config, name: str) -> nn.Module:
    """The extractor `name` with its weights, frozen: N x 3 x H x W RGB in [0, 1] to features N x C x h x w.

    A NSE has 32 channels and stride 4, VGG19 512 and ResNet18 256 channels and stride 16.

    Raises:
        InputError: no file, or one that holds another network.
    """
    file, extractor = weights_file(config, name), config.extractor(name)
    network: nn.Module
    if extractor.network == "nse":
        network = load_nse(file)
    elif extractor.network == "vgg19":
        network = load_vgg19(file)
    else:
        with naming(file), Unfilled():
            network = ResNet18().load(read_safetensors(file)[0])
    return network.eval().requires_grad_(False)


def load_nse(file: Path) -> nn.Module:
    """The NSE in a file; `InputError` if it holds something else."""
    network = from_checkpoint(file)
    if (name := architecture(network)[0]) != "nse":
        raise InputError(f"{file}: holds the network '{name}', not a NSE; name the file of `spsr pretrain`")
    return network


def load_judge(config: Config) -> nn.Module:
    """The trained naturalness discriminator, frozen: N×3×H×W in [0, 1] to logits N×1.

    Raises:
        InputError: it is not there, or the file holds another network.
    """
    file = weights_file(config, NATURALNESS)
    network = from_checkpoint(file)
    if (name := architecture(network)[0]) != NATURALNESS:
        raise InputError(f"{file}: holds the network '{name}', not '{NATURALNESS}'; pretrain it with --restart")
    return network.requires_grad_(False)


def load_vgg19(file: Path) -> VGG19:
    """A VGG19 with the weights of a file, whichever preprocessing they were made for.

    Raises:
        InputError: the file is damaged or of another network.
    """
    with naming(file), Unfilled():
        state, _ = read_safetensors(file)
        return VGG19("caffe" if "input.weight" in state else "torchvision").load(state)
