"""What a loop trains: super-resolution, structure extractors and the naturalness discriminator are tasks."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spsr.config import TrainingSettings
from spsr.training.validation_set import ValidationSet


@dataclass(frozen=True)
class StepPlan:
    """What the host decides of a step.

    Attributes:
        phase: steps of one phase are the same operations on other numbers.
        numbers: what the device is told, by name: tensors that lie on it (or are on their way), of one shape a phase.
    """

    phase: Hashable
    numbers: dict[str, Tensor]


class Task(Protocol):
    """One thing to train.

    Attributes:
        model: what `model.safetensors` holds at the end.
        flops_per_step: counted floating-point operations of the step that was taken last, over the global batch, if
            known.
    """

    model: nn.Module
    flops_per_step: int | None

    def step(self, step: int) -> dict[str, Tensor]:
        """The whole optimisation step with 0-based number `step`; detached device scalars by term. Never waits."""
        return self.advance(self.prepare(step))

    def prepare(self, step: int) -> StepPlan:
        """The host's part of a step: all that depends on its number."""

    def advance(self, plan: StepPlan) -> dict[str, Tensor]:
        """The device's part of a step: a fixed sequence of operations for each phase, without a word to the host."""

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on: tensors, numbers, strings, lists and dictionaries."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""

    def batch_names(self, step: int) -> list[str]:
        """Images that a step draws on."""


def device_of(task: Task) -> torch.device:
    """Where the task's model lies."""
    tensor = next(iter(task.model.parameters()), None)
    return torch.device("cpu") if tensor is None else tensor.device


@dataclass(frozen=True)
class Training:
    """A task and what its weights depend on, put together before anything heavy is built.

    Attributes:
        settings: what the weights depend on.
        inputs: SHA-256 of every file that they depend on, by what it is for.
        fresh_task: sets the process up and builds the task before its first step; its initial weights are a function
            of the seed.
        validation: what the model is looked at with from time to time; the weights do not depend on it.
    """

    settings: TrainingSettings
    inputs: dict[str, str]
    fresh_task: Callable[[], Task]
    validation: ValidationSet | None = None
