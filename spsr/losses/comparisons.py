"""Comparisons of a view of the generated image with the same view of the original: pixelwise and perceptual."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from spsr.config import Recipe, Term
from spsr.losses.views import Views


class Measured(NamedTuple):
    """A term's loss before its weight, and the detached scalars that are logged under their names."""

    loss: Tensor
    logged: dict[str, Tensor]


class PixelLoss:
    """Mean absolute or squared difference of a view, eqs. 3 and 7 and the loss of the gradient branch."""

    def __init__(self, term: Term, distance: Callable[[Tensor, Tensor], Tensor] = l1_loss) -> None:
        self.term = term
        self.weight = term.weight
        self._distance = distance

    def __call__(self, views: Views) -> Measured:
        """Compare in fp32, whatever the precision of the views."""
        fake, real = views.pair(self.term.view)
        loss = self._distance(fake.float(), real.float())
        return Measured(loss, {self.term.name: loss.detach()})


class StructureLoss:
    """L1 norm of the difference of structure features N×C×h×w, eq. 14, averaged over the batch.

    The equation is not normalised; whether the authors' code was is not known. Both readings are logged:
    `sum` over C×h×w, and `mean`. `reduction` chooses the one that is minimised.
    """

    def __init__(self, term: Term, reduction: str) -> None:
        self.term = term
        self.weight = term.weight
        self._reduction = reduction

    def __call__(self, views: Views) -> Measured:
        """Compare in fp32, whatever the precision of the features."""
        fake, real = views.pair(self.term.view)
        mean = l1_loss(fake.float(), real.float())
        readings = {"mean": mean, "sum": mean * fake[0].numel()}
        loss = readings[self._reduction]
        logged = {f"{self.term.name}/{name}": value.detach() for name, value in readings.items()}
        return Measured(loss, {self.term.name: loss.detach(), **logged})


class PerceptualLoss:
    """Mean absolute difference of features of the image under a frozen VGG19 (conv5_4 before its ReLU), eq. 4.

    The paper's text says Euclidean, its equation and the official code L1.

    Args:
        network: the frozen feature network.
        scale: factor on the weight, for features of another magnitude than torchvision's.
    """

    def __init__(self, term: Term, network: nn.Module, scale: float = 1.0) -> None:
        self.term = term
        self.weight = term.weight * scale
        self.network = network

    def __call__(self, views: Views) -> Measured:
        """Compare in fp32, whatever the precision of the features."""
        fake, real = (views.features(side, self.network) for side in ("fake", "real"))
        loss = l1_loss(fake.float(), real.float())
        return Measured(loss, {self.term.name: loss.detach()})


def pixel_loss(term: Term, recipe: Recipe) -> PixelLoss | StructureLoss:
    """The pixelwise comparison of a view, with the distance that the recipe chooses for it."""
    if term.view == "structure":
        return StructureLoss(term, recipe.structure_reduction)
    if term.view == "gradient" and recipe.gradient_pixel == "mse":
        return PixelLoss(term, mse_loss)
    return PixelLoss(term)
