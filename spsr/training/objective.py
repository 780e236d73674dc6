"""The objective of a method, built from the configuration: its terms and their discriminators."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from spsr.config import Config, Term
from spsr.config.patches import STRIDES
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
from spsr.losses.weighted_sum import Loss
from spsr.models.discriminator import VggDiscriminator
from spsr.models.natsr import SpectralDiscriminator
from spsr.models.segmentation import BACKGROUND, categories
from spsr.models.sftgan import AuxiliaryDiscriminator
from spsr.training import distributed
from spsr.training.frozen import FrozenNetworks
from spsr.training.optimiser import adam
from spsr.training.process import placed
from spsr.training.seeding import seeded
from spsr.training.working_weights import working_weights


@dataclass(frozen=True)
class _Maps:
    """What the discriminator of a view sees: maps of `channels`, one cell for `stride` pixels of the patch."""

    channels: int
    stride: int


_IMAGES = _Maps(3, 1)
_FEATURES = {
    name: _Maps(channels, STRIDES[name]) for name, channels in (("nse", 32), ("vgg19", 512), ("resnet18", 256))
}


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
        optimiser = adam(network.parameters(), working=working_weights(network, compute))
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


def replicas(config: Config, name: str) -> int:
    """Groups of `batch` samples in a step of a method."""
    recipe = config.recipe(name)
    return recipe.replicas if recipe else 1
