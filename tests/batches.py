"""What a step trains on and looks through, for tests."""

from typing import NamedTuple

from torch import Tensor, nn

from spsr.losses import NaturalnessLoss, Objective, PerceptualLoss
from spsr.training.patches import PatchSampler


class Batch(NamedTuple):
    """Aligned patches: `lr` N x 3 x h x w and `hr` N x 3 x H x W in [0, 1], and the names of their images."""

    lr: Tensor
    hr: Tensor
    names: list[str]


def draw(sampler: PatchSampler, step: int, rank: int | None = None, world: int | None = None) -> Batch:
    """The batch of a 0-based step: this process's share of it, or that of `rank` of `world`."""
    patches = sampler.cut(sampler.plan(step, rank, world))
    return Batch(patches["lr"], patches["hr"], [sampler.names[i] for i in sampler._plan(step, rank, world)[0]])


def draw_hr(sampler: PatchSampler, step: int) -> Tensor:
    """The HR patches of a step alone."""
    return sampler.cut(sampler.plan(step, kinds=("hr",)))["hr"]


def frozen_networks(objective: Objective) -> tuple[nn.Module, ...]:
    """The networks that the terms use and nothing trains, each once."""
    networks = [loss.network for loss in objective.losses if isinstance(loss, PerceptualLoss | NaturalnessLoss)]
    if objective._extractor is not None:
        networks.append(objective._extractor)
    return tuple(dict.fromkeys(networks))
