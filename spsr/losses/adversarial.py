"""The adversarial comparison of a view: it owns a discriminator, its optimiser and a step of its own."""

from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spsr.config import Term
from spsr.losses import relativistic
from spsr.losses.comparisons import Measured
from spsr.losses.views import Views


class Optimiser(Protocol):
    """What moves the parameters of a network; `working` is the context in which the network computes."""

    def working(self) -> AbstractContextManager[None]: ...
    def set_learning_rate(self, learning_rate: float) -> None: ...
    def zero_grad(self) -> None: ...
    def step(self) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


class AdversarialLoss:
    """The relativistic average GAN on one view (eqs. 5, 6, 8, 9 and 15).

    The generator's loss and the discriminator's step see the same generated images and the same
    discriminator, so its two forward passes of each can be one. `share_forward` does that; the values are
    those of separate passes. Only the running statistics of batch normalisation, which nothing uses, see
    each batch once instead of twice.

    Args:
        discriminator: maps a view N×C×H×W to logits N×1; called in training mode.
        optimiser: of the discriminator's parameters.
        replicas: groups of the batch that batch normalisation works within.
        share_forward: one forward pass of each side in a step instead of two.
        compile: run the discriminator through `torch.compile`.
        mean: of logits over all samples of the step, where they are spread over several processes.
    """

    def __init__(
        self,
        term: Term,
        discriminator: nn.Module,
        optimiser: Optimiser,
        *,
        replicas: int = 1,
        share_forward: bool = True,
        compile: bool = False,
        mean: relativistic.Mean = torch.mean,
    ) -> None:
        self.term = term
        self.weight = term.weight
        self.discriminator = discriminator.train()
        self.optimiser = optimiser
        self._forward = torch.compile(discriminator) if compile else discriminator
        self._replicas = replicas
        self._share_forward = share_forward
        self._mean = mean
        self._logits: tuple[Tensor, Tensor] | None = None

    def __call__(self, views: Views) -> Measured:
        """The generator's loss; the discriminator's parameters get no gradient from it."""
        fake, real = views.pair(self.term.view)
        if self._share_forward:
            loss = self._loss_of_shared_pass(views, fake, real)
        else:
            self.discriminator.requires_grad_(False)
            fake_logits = self._judge(fake)
            loss = self._generator_game(views, self._judge(real), fake_logits)
            self.discriminator.requires_grad_(True)
        return Measured(loss, {self.term.name: loss.detach()})

    def _generator_game(self, views: Views, real: Tensor, fake: Tensor) -> Tensor:
        """The generator's loss of what the discriminator says."""
        return relativistic.generator_loss(real, fake, self._mean)

    def _discriminator_game(self, views: Views, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss of what it says."""
        return relativistic.discriminator_loss(real, fake, self._mean)

    def _loss_of_shared_pass(self, views: Views, fake: Tensor, real: Tensor) -> Tensor:
        cut = fake.detach().requires_grad_()
        fake_logits, real_logits = self._judge(cut), self._judge(real)
        self._logits = real_logits, fake_logits
        loss = self._generator_game(views, real_logits, fake_logits)
        (gradient,) = torch.autograd.grad(loss, cut, retain_graph=True)
        return loss.detach() + ((fake - fake.detach()) * gradient).sum()

    def discriminator_loss(self, views: Views) -> Measured:
        """The discriminator's loss on the views that the generator's loss saw, and its mean logits to log."""
        view = self.term.view
        if self._logits is None:
            fake, real = views.pair(view)
            real_logits, fake_logits = self._judge(real), self._judge(fake.detach())
        else:
            (real_logits, fake_logits), self._logits = self._logits, None
        loss = self._discriminator_game(views, real_logits, fake_logits)
        logged = {
            f"discriminator/{view}": loss.detach(),
            f"discriminator/{view}/real": real_logits[:, 0].detach().float().mean(),
            f"discriminator/{view}/fake": fake_logits[:, 0].detach().float().mean(),
        }
        return Measured(loss, logged)

    def discriminator_step(self, loss: Tensor) -> None:
        """Move the discriminator down its loss; at the learning rate that `optimiser` was told."""
        self.optimiser.zero_grad()
        loss.backward(inputs=list(self.discriminator.parameters()))
        self.optimiser.step()

    def _judge(self, view: Tensor) -> Tensor:
        return torch.cat([self._forward(group) for group in view.chunk(self._replicas)])

    def state_dict(self) -> dict[str, Any]:
        """The discriminator and its optimiser."""
        return {"discriminator": self.discriminator.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["optimiser"])
