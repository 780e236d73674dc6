"""Losses: comparisons (pixelwise, perceptual, adversarial) on views of the image pair."""

from spsr.losses.adversarial import AdversarialLoss
from spsr.losses.auxiliary import AuxiliaryClassifierLoss
from spsr.losses.comparisons import Measured, PerceptualLoss, PixelLoss, StructureLoss, pixel_loss
from spsr.losses.custom import CustomLoss
from spsr.losses.manifold import NaturalnessLoss
from spsr.losses.views import Views
from spsr.losses.weighted_sum import Objective

__all__ = [
    "AdversarialLoss",
    "AuxiliaryClassifierLoss",
    "CustomLoss",
    "Measured",
    "NaturalnessLoss",
    "Objective",
    "PerceptualLoss",
    "PixelLoss",
    "StructureLoss",
    "Views",
    "pixel_loss",
]
