"""The training of a super-resolution generator: one step of it, and what a run needs to go on."""

from contextlib import ExitStack
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spsr.config import Compute, Schedule
from spsr.losses import Objective
from spsr.losses.adversarial import Optimiser
from spsr.plugins import OwnCodeFailed, is_reference, running
from spsr.training.beside import Beside
from spsr.training.optimiser import adam
from spsr.training.process import autocast, memory_format
from spsr.training.task import StepPlan, Task
from spsr.training.working_weights import WorkingWeights, working_weights

CONDITIONAL_FACTOR = 5.0
"""Of the learning rate of SFTGAN's transforms and condition network."""


class Sampler(Protocol):
    """Where batches come from; see `spsr.training.patches.PatchSampler`."""

    def plan(self, step: int) -> dict[str, Tensor]: ...
    def cut(self, plan: dict[str, Tensor]) -> dict[str, Tensor]: ...
    def image_names(self, step: int) -> list[str]: ...


class SuperResolutionTask(Task):
    """A generator, its objective, and their training by the official order of steps.

    In a step the generator moves first, with the discriminators fixed; then every discriminator moves, on the
    images that the generator made before its own move.

    Args:
        generator: maps LR images to SR images, or to SR images and gradient maps. If it has a gradient branch, its
            `fusion` is the module that joins the branches. If it has `conditional_parameters`, they train with five
            times the learning rate, and alone in the first `schedule.warmup` steps, as SFTGAN's authors do it.
        objective: the weighted terms, with the discriminators that they need.
        sampler: draws the batch of a step.
        schedule: iterations and learning rate, of the generator and of the discriminators.
        fusion_warmup: number of first steps in which only `generator.fusion` trains; the official code's
            `Branch_pretrain`. Generators without a fusion module train whole from the first step.
        compute: precision, memory layout and compilation.
        flops_per_step: floating-point operations of a step in which everything trains, for the record.
        flops_of_warmup: those of a step of the warm-up.
    """

    def __init__(
        self,
        generator: nn.Module,
        objective: Objective,
        sampler: Sampler,
        schedule: Schedule,
        *,
        fusion_warmup: int = 0,
        compute: Compute | None = None,
        flops_per_step: int | None = None,
        flops_of_warmup: int | None = None,
    ) -> None:
        self.model = generator.train()
        self.objective = objective
        self.flops_per_step = self._flops = flops_per_step
        self._flops_of_warmup = flops_of_warmup
        self._warming_up: bool | None = None
        self._parameters = [parameter for parameter in generator.parameters() if parameter.requires_grad]
        self._name = vars(generator).get("architecture", "")
        self._compute = compute or Compute()
        working = WorkingWeights() if is_reference(self._name) else working_weights(generator, self._compute)
        conditional = getattr(generator, "conditional_parameters", tuple)
        self.optimiser: Optimiser = adam(self._parameters, conditional(), CONDITIONAL_FACTOR, working)
        self._sampler = sampler
        self._schedule = schedule
        fusion = getattr(generator, "fusion", None)
        self._first = frozenset(fusion.parameters() if fusion is not None else conditional())
        self._warmup = (fusion_warmup if fusion is not None else schedule.warmup) if self._first else 0
        self._memory_format = memory_format(self._compute)
        self._beside = Beside(next(generator.parameters()).device)
        self._forward = torch.compile(generator) if self._compute.compile else generator

    def prepare(self, step: int) -> StepPlan:
        """The host's part of a step: learning rate, which parameters train, and which patches are cut."""
        for optimiser in self.optimisers():
            optimiser.set_learning_rate(self._schedule.learning_rate_at(step))
        self._warm_up(step < self._warmup)
        return StepPlan(self._warming_up, self._sampler.plan(step))

    def advance(self, plan: StepPlan) -> dict[str, Tensor]:
        """The device's part: one step of the generator and of every discriminator on the planned patches.

        Terms are given before their weights; `generator` is the weighted sum that is minimised.
        """
        with ExitStack() as working:
            for optimiser in self.optimisers():
                working.enter_context(optimiser.working())
            return self._advance(plan)

    def _advance(self, plan: StepPlan) -> dict[str, Tensor]:
        patches = self._sampler.cut(plan.numbers)
        lr, hr = (patches[kind].contiguous(memory_format=self._memory_format) for kind in ("lr", "hr"))
        views = self.objective.views(hr)
        with autocast(lr.device, self._compute):
            with self._beside.fork():
                self.objective.look_at_originals(views)
            with running(self._name, lr):
                output = self._forward(lr)
            sr, branch = output if isinstance(output, tuple | list) else (output, None)
            if sr.shape != hr.shape:
                raise OwnCodeFailed(
                    f"the generator makes {list(sr.shape)} where {list(hr.shape)} is needed; correct it"
                )
            self._beside.join()
            views.generated(sr.float(), branch)
            loss, logged = self.objective.generator_loss(views)
        self.optimiser.zero_grad()
        with running(self._name):
            loss.backward()
        self.optimiser.step()
        for adversarial in self.objective.adversarial:
            with autocast(lr.device, self._compute):
                measured = adversarial.discriminator_loss(views)
            adversarial.discriminator_step(measured.loss)
            logged |= measured.logged
        return logged

    def batch_names(self, step: int) -> list[str]:
        """Names of the images that a step draws on."""
        return self._sampler.image_names(step)

    def state_dict(self) -> dict[str, Any]:
        """Generator, discriminators and all optimisers."""
        return {
            "generator": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "objective": self.objective.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.model.load_state_dict(state["generator"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.objective.load_state_dict(state["objective"])

    def optimisers(self) -> tuple[Optimiser, ...]:
        """The generator's optimiser, then the discriminators'."""
        return (self.optimiser, *self.objective.optimisers())

    @property
    def has_warmup(self) -> bool:
        """Whether there are first steps in which a part of the generator trains alone."""
        return self._warmup > 0

    def _warm_up(self, warming_up: bool) -> None:
        """Choose the parameters that train, where the step before trained others."""
        if warming_up == self._warming_up:
            return
        self._warming_up = warming_up
        self.flops_per_step = self._flops_of_warmup if warming_up else self._flops
        for parameter in self._parameters:
            parameter.requires_grad_(not warming_up or parameter in self._first)
