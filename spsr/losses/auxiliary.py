"""The adversarial comparison with a class head, as SFTGAN is trained with (Wang et al. 2018, Section 3.3)."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from spsr.config import Term
from spsr.losses.adversarial import AdversarialLoss, Optimiser
from spsr.losses.views import Views


class AuxiliaryClassifierLoss(AdversarialLoss):
    """The plain (not relativistic) GAN, plus cross-entropy of the category that the discriminator tells.

    The generator's loss is BCE(fake, 1) + CE(fake's category); the discriminator's is the sum of BCE(real, 1),
    BCE(fake, 0) and both cross-entropies. Images of the background count in no cross-entropy. The category is that of
    the original.

    Args:
        discriminator: maps images N×3×H×W to N×(1 + categories): the logit of a real image, then scores.
        categories: tells the category of each original, N integers.
        background: the category that does not count.
        options: those of `AdversarialLoss`.
    """

    def __init__(
        self,
        term: Term,
        discriminator: nn.Module,
        optimiser: Optimiser,
        categories: Callable[[Tensor], Tensor],
        background: int,
        **options: Any,
    ) -> None:
        super().__init__(term, discriminator, optimiser, **options)
        self._categories = categories
        self._background = background

    def _generator_game(self, views: Views, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-fake[:, 0].float()).mean() + self._told(views, fake)

    def _discriminator_game(self, views: Views, real: Tensor, fake: Tensor) -> Tensor:
        game = softplus(-real[:, 0].float()).mean() + softplus(fake[:, 0].float()).mean()
        return game + self._told(views, real) + self._told(views, fake)

    def _told(self, views: Views, scores: Tensor) -> Tensor:
        """Mean cross-entropy over the images that show something; 0 if none does."""
        labels = views.derived("real", self._categories)
        summed = cross_entropy(scores[:, 1:].float(), labels, ignore_index=self._background, reduction="sum")
        return summed / (labels != self._background).sum().clamp(min=1)
