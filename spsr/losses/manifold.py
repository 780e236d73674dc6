"""How natural generated images look to NatSR's natural manifold discriminator."""

from torch import nn
from torch.nn.functional import softplus

from spsr.config import Term
from spsr.losses.comparisons import Measured
from spsr.losses.views import Views


class NaturalnessLoss:
    """-log of the probability that a generated image is natural, averaged over the batch (Soh et al. 2019, eq. 7).

    Args:
        network: the frozen discriminator: images to logits N×1.
    """

    def __init__(self, term: Term, network: nn.Module) -> None:
        self.term = term
        self.weight = term.weight
        self.network = network

    def __call__(self, views: Views) -> Measured:
        """Judge in fp32, whatever the precision of the logits."""
        logits = views.features("fake", self.network)
        loss = softplus(-logits.float()).mean()
        return Measured(loss, {self.term.name: loss.detach()})
