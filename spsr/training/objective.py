"""The objective of a method, built from the configuration: its terms, discriminators and frozen networks."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from spsr.config import Compute, Config, Term
from spsr.config.settings import NATURALNESS
from spsr.data import weights
from spsr.data.inputs import weights_file
from spsr.errors import InputError
from spsr.losses import (
    AdversarialLoss,
    AuxiliaryClassifierLoss,
    CustomLoss,
    NaturalnessLoss,
    Objective,
    PerceptualLoss,
    pixel_loss,
)
from spsr.losses.objective import Loss
from spsr.models import architecture, build, from_checkpoint
from spsr.models.discriminator import VggDiscriminator
from spsr.models.natsr import SpectralDiscriminator
from spsr.models.resnet import ResNet18
from spsr.models.segmentation import BACKGROUND, categories
from spsr.models.sftgan import AuxiliaryDiscriminator
from spsr.models.vgg import VGG19
from spsr.training import distributed
from spsr.training.extraction.weights import load_extractor
from spsr.training.optimiser import adam
from spsr.training.seeding import seeded


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


@dataclass(frozen=True)
class _Maps:
    """What the discriminator of a view sees: maps of `channels`, one cell for `stride` pixels of the patch."""

    channels: int
    stride: int


_IMAGES = _Maps(3, 1)
_FEATURES = {"nse": _Maps(32, 4), "vgg19": _Maps(512, 16), "resnet18": _Maps(256, 16)}


def needed(config: Config, name: str) -> tuple[str | None, str | None]:
    """What the terms of a method look through: the registry's entry of the perceptual VGG19, and the extractor."""
    method = config.method(name)
    perceptual = config.preset.perceptual.weights if method.needs_perceptual else None
    return perceptual, method.extractor if method.needs_structure else None


def load_frozen(config: Config, name: str, device: torch.device | str = "cpu") -> FrozenNetworks:
    """The frozen networks of a method with their weights. Terms that look through the same weights share one.

    Raises:
        InputError: weights are not there (with the command that gets them), damaged, or of another network.
    """
    vgg19, extractor = needed(config, name)
    compute = config.preset.compute
    structure = None if extractor is None else placed(load_extractor(config, extractor), device, compute)
    if vgg19 is not None and extractor is not None and config.extractor_weights(extractor) == vgg19:
        return FrozenNetworks(structure, structure)
    perceptual = None if vgg19 is None else placed(load_vgg19(weights.path(vgg19)), device, compute)
    judge = placed(load_judge(config), device, compute) if config.method(name).needs_naturalness else None
    return FrozenNetworks(perceptual, structure, judge)


def fresh_frozen(config: Config, name: str) -> FrozenNetworks:
    """The frozen networks of a method with random weights, to count their operations."""
    vgg19, extractor = needed(config, name)
    structure: nn.Module | None = None
    if extractor is not None:
        described = config.extractor(extractor)
        fresh = {"nse": lambda: build("nse"), "vgg19": VGG19, "resnet18": ResNet18}
        structure = fresh[described.network]().eval().requires_grad_(False)
        if vgg19 is not None and config.extractor_weights(extractor) == vgg19:
            return FrozenNetworks(structure, structure)
    judge = None
    if config.method(name).needs_naturalness:
        judge = build(NATURALNESS, **config.size(NATURALNESS)).eval().requires_grad_(False)
    return FrozenNetworks(None if vgg19 is None else VGG19(), structure, judge)


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
    try:
        state = load_file(file)
        return VGG19("caffe" if "input.weight" in state else "torchvision").load(state)
    except SafetensorError as error:
        raise InputError(f"{file}: not a whole safetensors file ({error}); remove it and fetch it again") from error
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def discriminator(config: Config, name: str, view: str) -> nn.Module:
    """A fresh discriminator for a view of a method's patches, of the kind that the method names.

    Its first stage has 64 channels (or the preset's), and four times as many on features of stride 16, where two
    stages at most are left before the 4x4 map that the linear layers see.
    """
    method = config.method(name)
    maps = _FEATURES[config.extractor(method.extractor or "").network] if view == "structure" else _IMAGES
    patch = config.schedule(method.schedule).patch
    size = config.size("discriminator")
    if unknown := set(size) - {"channels"}:
        raise InputError(f"{config.path}: networks.discriminator: no size '{unknown.pop()}'; it has only `channels`")
    channels = size.get("channels", 64) * (4 if maps.stride == 16 else 1)
    if method.discriminator == "spectral":
        return SpectralDiscriminator(maps.channels, channels)
    if method.discriminator == "auxiliary":
        return AuxiliaryDiscriminator(maps.channels, patch, channels)
    return VggDiscriminator(maps.channels, patch // maps.stride, channels)


def build_objective(
    config: Config,
    name: str,
    seed: int,
    frozen: FrozenNetworks,
    device: torch.device | str = "cpu",
    *,
    share_forward: bool = True,
) -> Objective:
    """The objective of a method: one loss for each term whose weight is not zero.

    Args:
        seed: of the run; the discriminators' first weights depend on it.
        frozen: the networks that the terms need, on `device`.
        share_forward: see `spsr.losses.AdversarialLoss`; compiled discriminators never share.
    """
    recipe, compute = config.preset.recipe, config.preset.compute

    def adversarial(term: Term) -> AdversarialLoss:
        with seeded(seed, f"discriminator/{term.view}"):
            network = placed(discriminator(config, name, term.view), device, compute)
        options: dict[str, Any] = {
            "replicas": max(1, replicas(config, name) // distributed.world()),
            "share_forward": share_forward and not compute.compile,
            "compile": compute.compile,
            "mean": distributed.global_mean,
        }
        optimiser = adam(network.parameters())
        if config.method(name).discriminator != "auxiliary":
            return AdversarialLoss(term, network, optimiser, **options)
        told = partial(categories, name=str(config.maps(name)))
        return AuxiliaryClassifierLoss(term, network, optimiser, told, BACKGROUND, **options)

    def loss(term: Term) -> Loss:
        if term.comparison == "pixel":
            return pixel_loss(term, recipe)
        if term.comparison == "adversarial":
            return adversarial(term)
        if term.comparison == "custom":
            return CustomLoss(term)
        if term.comparison == "naturalness":
            if frozen.naturalness is None:
                raise ValueError(f"{term.name} needs the naturalness discriminator")
            return NaturalnessLoss(term, frozen.naturalness)
        if frozen.perceptual is None:
            raise ValueError(f"{term.name} needs a perceptual network")
        return PerceptualLoss(term, frozen.perceptual, config.preset.perceptual.scale)

    return Objective(
        [loss(term) for term in config.method(name).losses.terms()],
        gradient_padding=recipe.gradient_padding,
        extractor=frozen.structure,
    )


def placed(network: nn.Module, device: torch.device | str, compute: Compute) -> nn.Module:
    """The network on a device, in the memory layout that the preset chooses."""
    network = network.to(device)
    return network.to(memory_format=torch.channels_last) if compute.channels_last else network  # type: ignore[call-overload]


def replicas(config: Config, name: str) -> int:
    """Groups of `batch` samples in a step of a method."""
    recipe = config.recipe(name)
    return recipe.replicas if recipe else 1
