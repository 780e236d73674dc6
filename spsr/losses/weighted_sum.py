"""An objective: the weighted terms that one generator is trained with."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from spsr.losses.adversarial import AdversarialLoss, Optimiser
from spsr.losses.comparisons import PerceptualLoss, PixelLoss, StructureLoss
from spsr.losses.custom import CustomLoss
from spsr.losses.manifold import NaturalnessLoss
from spsr.losses.views import Views

Loss = PixelLoss | StructureLoss | PerceptualLoss | NaturalnessLoss | AdversarialLoss | CustomLoss


class Objective:
    """The sum of weighted terms, eqs. 10, 16 and 17, and the discriminators that it needs.

    Args:
        losses: the terms, in the order in which they are computed.
        gradient_padding: zero padding of the gradient view.
        extractor: the frozen structure extractor F, if a term needs it.
    """

    def __init__(
        self, losses: Sequence[Loss], *, gradient_padding: int = 1, extractor: nn.Module | None = None
    ) -> None:
        self.losses = tuple(losses)
        self.adversarial = tuple(loss for loss in losses if isinstance(loss, AdversarialLoss))
        self._gradient_padding = gradient_padding
        self._extractor = extractor

    def views(self, hr: Tensor, sr: Tensor | None = None, branch: Tensor | None = None) -> Views:
        """The views of one batch: originals and generated images N×3×H×W, and the gradient branch's output."""
        return Views(hr, sr, branch, gradient_padding=self._gradient_padding, extractor=self._extractor)

    def look_at_originals(self, views: Views) -> None:
        """Compute what the terms will see of the originals, for which no generated image is needed."""
        for loss in self.losses:
            if isinstance(loss, PerceptualLoss):
                views.features("real", loss.network)
            elif isinstance(loss, PixelLoss | StructureLoss | AdversarialLoss):
                views.view("real", loss.term.view)

    def generator_loss(self, views: Views) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum to minimise, and detached scalars to log: every term before its weight, and the sum."""
        logged: dict[str, Tensor] = {}
        weighted = []
        for loss in self.losses:
            measured = loss(views)
            weighted.append(loss.weight * measured.loss)
            logged |= measured.logged
        total = sum(weighted[1:], start=weighted[0])
        return total, {**logged, "generator": total.detach()}

    def optimisers(self) -> tuple[Optimiser, ...]:
        """The optimisers of the discriminators."""
        return tuple(loss.optimiser for loss in self.adversarial)

    def state_dict(self) -> dict[str, Any]:
        """Discriminators and their optimisers, by term."""
        return {loss.term.name: loss.state_dict() for loss in self.adversarial}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        for loss in self.adversarial:
            loss.load_state_dict(state[loss.term.name])
