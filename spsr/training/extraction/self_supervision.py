"""Training of neural structure extractors by self-supervision (Section 4.2)."""

from typing import Any

import torch
from torch import Tensor, nn

from spsr.config import Compute, Schedule
from spsr.training.extraction.pretext import Pretext
from spsr.training.optimiser import adam
from spsr.training.patches import PatchSampler
from spsr.training.process import autocast, memory_format
from spsr.training.task import StepPlan, Task
from spsr.training.upload import sent
from spsr.training.working_weights import WorkingWeights, working_weights


class ExtractorTask(Task):
    """An extractor and the head of its task, or a head alone on a frozen extractor.

    Args:
        extractor: N x 3 x H x W in [0, 1] to N x C x H/4 x W/4.
        head: what the pretext task's `head` made.
        sampler: draws the patches of a step; `flips` are its only augmentation, since a transposition would mix
            the horizontal and the vertical sampling.
        seed: of the run; anchors, grids and permutations depend on (seed, step).
        frozen: train the head only; the extractor is in inference mode.
    """

    def __init__(
        self,
        pretext: Pretext,
        extractor: nn.Module,
        head: nn.Module,
        sampler: PatchSampler,
        schedule: Schedule,
        seed: int,
        *,
        frozen: bool = False,
        compute: Compute | None = None,
        flops_per_step: int | None = None,
    ) -> None:
        compute = compute or Compute()
        self._memory_format = memory_format(compute)
        self._compute = compute
        self.extractor = extractor.to(memory_format=self._memory_format).train(not frozen)  # type: ignore[call-overload]
        self.head = head.train()
        self.model = self.head if frozen else self.extractor
        self.flops_per_step = flops_per_step
        self._pretext, self._sampler, self._schedule = pretext, sampler, schedule
        self._seed, self._frozen = seed, frozen
        self._see = torch.compile(self._extract) if compute.compile else self._extract
        trained = [head] if frozen else [extractor, head]
        working = WorkingWeights() if frozen else working_weights(extractor, compute)
        parameters = (parameter for network in trained for parameter in network.parameters())
        self.optimiser = adam(parameters, working=working)

    def _extract(self, images: Tensor) -> Tensor:
        """Features in the precision of the preset; heads and losses are always fp32."""
        with torch.set_grad_enabled(not self._frozen), autocast(images.device, self._compute):
            return self.extractor(images)

    def prepare(self, step: int) -> StepPlan:
        """The host's part of a step: learning rate, patches, and what the task draws for them."""
        self.optimiser.set_learning_rate(self._schedule.learning_rate_at(step))
        patches, side = self._sampler.plan(step, kinds=("hr",)), self._sampler.patch
        drawn = self._pretext.draw(len(patches["hr"]), (side, side), self._seed, step)
        return StepPlan("step", patches | {name: sent(tensor, self._sampler.device) for name, tensor in drawn.items()})

    def advance(self, plan: StepPlan) -> dict[str, Tensor]:
        """The device's part of a step: the loss by the name of the task."""
        images = self._sampler.cut(plan.numbers)["hr"].contiguous(memory_format=self._memory_format)
        with self.optimiser.working():
            loss = self._pretext.loss(self._see, self.head, images, plan.numbers)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return {self._pretext.name: loss.detach()}

    def batch_names(self, step: int) -> list[str]:
        """Names of the images that a step draws on."""
        return self._sampler.image_names(step)

    def state_dict(self) -> dict[str, Any]:
        """Head and optimiser, and the extractor if it is trained."""
        extractor = {} if self._frozen else self.extractor.state_dict()
        return {"extractor": extractor, "head": self.head.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        if not self._frozen:
            self.extractor.load_state_dict(state["extractor"])
        self.head.load_state_dict(state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
