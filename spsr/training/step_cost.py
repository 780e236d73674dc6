"""Parameters and FLOPs of training a method, counted by PyTorch on meta tensors: no weights, no memory, no data.

FLOPs are 2 per multiply-add of convolutions and linear layers, forward and backward, and of nothing else.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from spsr.config import Compute, Config
from spsr.images import SCALE
from spsr.models import build
from spsr.models.flops import forward_flops
from spsr.training.frozen import fresh_frozen
from spsr.training.objective import build_objective, replicas
from spsr.training.patches import Batch
from spsr.training.super_resolution import SuperResolutionTask


@dataclass(frozen=True)
class StepCost:
    """What training a method takes.

    Attributes:
        generator, discriminators: numbers of parameters that are trained.
        flops: of one step, per sample, once the fusion warm-up is over.
        separate_flops: the same with a forward pass of each discriminator for the generator's loss and another for
            its own, as the official code has them.
    """

    generator: int
    discriminators: int
    flops: int
    separate_flops: int


class _EmptyPatches:
    """Batches of the right shape without content."""

    def __init__(self, patch: int, samples: int) -> None:
        hr = torch.empty(samples, 3, patch, patch, device="meta")
        lr = torch.empty(samples, 3, patch // SCALE, patch // SCALE, device="meta")
        self._batch = Batch(lr, hr, ())

    def draw(self, step: int) -> Batch:
        return self._batch

    def image_names(self, step: int) -> list[str]:
        return []


def training_cost(config: Config, name: str, *, share_forward: bool | None = None) -> StepCost:
    """Count one step of a method that is trained here.

    Args:
        share_forward: whether the generator's loss and the discriminators' own share forward passes of the
            discriminators. By default as this preset trains.
    """
    compute = config.preset.compute
    share_forward = not compute.compile if share_forward is None else share_forward
    config = replace(config, preset=config.preset.model_copy(update={"compute": Compute()}))
    method, samples = config.method(name), replicas(config, name)
    schedule, size = config.schedule(method.schedule), config.generator_size(name)
    with torch.device("meta"):
        generator = build(method.generator.name if method.generator else "", **size)
        objective = build_objective(config, name, 0, fresh_frozen(config, name), "meta", share_forward=share_forward)
    patches = _EmptyPatches(schedule.patch, samples)
    task = SuperResolutionTask(generator, objective, patches, schedule)
    for optimiser in task.optimisers():
        optimiser.step = _nothing  # type: ignore[assignment,method-assign]
    with FlopCounterMode(display=False) as counter:
        task.step(schedule.iterations)
    flops = separate = counter.get_total_flops() // samples
    if share_forward:
        views = objective.views(hr := patches.draw(0).hr, hr)
        for adversarial in objective.adversarial:
            shape = views.view("real", adversarial.term.view).shape[1:]
            separate += forward_flops(adversarial.discriminator, (2, *shape))
    discriminators = sum(_parameters(adversarial.discriminator) for adversarial in objective.adversarial)
    return StepCost(_parameters(generator), discriminators, flops, separate)


def _nothing(*_: object) -> None:
    """Adam has no convolutions, and takes long on meta tensors."""


def step_flops(config: Config, name: str) -> int:
    """FLOPs of one step of a method, per sample, as this preset trains it."""
    return training_cost(config, name).flops


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
