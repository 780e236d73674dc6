"""A method's training step on random images and weights: as fast as the real one, with nothing to fetch."""

from time import perf_counter

import numpy as np
import torch

from spsr.config import Config
from spsr.data.pack import Pack
from spsr.errors import InputError
from spsr.models import build
from spsr.training.frozen import fresh_frozen
from spsr.training.method_training import step_samples
from spsr.training.objective import build_objective
from spsr.training.patches import PatchSampler
from spsr.training.process import placed
from spsr.training.step_cost import step_flops
from spsr.training.super_resolution import SuperResolutionTask

IMAGES = 8


def noise(side: int) -> Pack:
    """Eight square images of random pixels as training images."""
    generator = np.random.default_rng(0)
    hr, lr = (generator.integers(0, 256, IMAGES * n * n * 3, dtype=np.uint8) for n in (side, side // 4))
    return Pack([f"noise {i}" for i in range(IMAGES)], [(side, side)] * IMAGES, hr, lr)


def rehearse(config: Config, name: str, device: torch.device, *, share_forward: bool = True) -> SuperResolutionTask:
    """A method's task with fresh networks, after its fusion warm-up.

    Args:
        share_forward: see `spsr.training.objective.build_objective`.
    """
    generator = config.method(name).generator
    if generator is None:
        raise InputError(f"{config.path}: method '{name}' has no generator; choose one that is trained here")
    schedule, compute = config.schedule(config.method(name).schedule), config.preset.compute
    frozen = fresh_frozen(config, name).placed(device, compute)
    return SuperResolutionTask(
        placed(build(generator.name, **config.generator_size(name)), device, compute),
        build_objective(config, name, 0, frozen, device, share_forward=share_forward),
        PatchSampler(noise(2 * schedule.patch), schedule.patch, step_samples(config, name), 0, device=device),
        schedule,
        compute=compute,
    )


def sustained_tflops(config: Config, name: str, device: torch.device, seconds: float) -> float:
    """TFLOP/s of a method's step on a device, measured for so many seconds after two steps to warm up."""
    flops = step_flops(config, name) * step_samples(config, name)
    task = rehearse(config, name, device)
    _wait(task.step(0))
    _wait(task.step(1))
    steps, began = 0, perf_counter()
    while (elapsed := perf_counter() - began) < seconds or steps == 0:
        _wait(task.step(2 + steps))
        steps += 1
    return flops * steps / elapsed / 1e12


def _wait(losses: dict[str, torch.Tensor]) -> None:
    next(iter(losses.values())).item()
