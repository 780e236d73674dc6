"""The objective of a method, built from the configuration: its terms, discriminators and frozen networks."""

from dataclasses import dataclass

import torch
from torch import nn

from spsr.config import Config, Term
from spsr.errors import InputError
from spsr.losses import AdversarialLoss, Objective, PerceptualLoss, pixel_loss
from spsr.losses.objective import Loss
from spsr.models.discriminator import VggDiscriminator
from spsr.training import distributed
from spsr.training.optimiser import adam
from spsr.training.seeding import seeded


@dataclass(frozen=True)
class FrozenNetworks:
    """The networks that a method's terms look through and nothing trains; none where no term needs one.

    Attributes:
        perceptual: VGG19 of the perceptual comparison.
        structure: the structure extractor F.
    """

    perceptual: nn.Module | None = None
    structure: nn.Module | None = None


@dataclass(frozen=True)
class _Maps:
    """What the discriminator of a view sees: maps of `channels`, one cell for `stride` pixels of the patch."""

    channels: int
    stride: int


_IMAGES = _Maps(3, 1)
_FEATURES = {"nse": _Maps(32, 4), "vgg19": _Maps(512, 16), "resnet18": _Maps(256, 16)}


def discriminator(config: Config, name: str, view: str) -> VggDiscriminator:
    """A fresh discriminator for a view of a method's patches.

    Its first stage has 64 channels (or the preset's), and four times as many on features of stride 16, where two
    stages at most are left before the 4x4 map that the linear layers see.
    """
    method = config.method(name)
    maps = _FEATURES[config.extractor(method.extractor or "").network] if view == "structure" else _IMAGES
    size = config.size("discriminator")
    if unknown := set(size) - {"channels"}:
        raise InputError(f"{config.path}: networks.discriminator: no size '{unknown.pop()}'; it has only `channels`")
    channels = size.get("channels", 64) * (4 if maps.stride == 16 else 1)
    return VggDiscriminator(maps.channels, config.schedule(method.schedule).patch // maps.stride, channels)


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
    memory_format = torch.channels_last if compute.channels_last else torch.contiguous_format

    def adversarial(term: Term) -> AdversarialLoss:
        with seeded(seed, f"discriminator/{term.view}"):
            network = discriminator(config, name, term.view)
        network = network.to(device=device, memory_format=memory_format)
        return AdversarialLoss(
            term,
            network,
            adam(network.parameters()),
            replicas=max(1, replicas(config, name) // distributed.world()),
            share_forward=share_forward and not compute.compile,
            compile=compute.compile,
            mean=distributed.global_mean,
        )

    def loss(term: Term) -> Loss:
        if term.comparison == "pixel":
            return pixel_loss(term, recipe)
        if term.comparison == "adversarial":
            return adversarial(term)
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
