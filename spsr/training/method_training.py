"""The training of a method, put together from the configuration."""

import torch
from torch import nn

from spsr.config import Config
from spsr.data.inputs import input_hashes, weights_file
from spsr.data.pack import open_pack
from spsr.errors import InputError, naming
from spsr.models import build, from_checkpoint
from spsr.models.initialise import initialise_from, start_from_interpolation
from spsr.training import process
from spsr.training.frozen import load_frozen
from spsr.training.objective import build_objective, replicas
from spsr.training.patches import PatchSampler
from spsr.training.seeding import seeded
from spsr.training.step_cost import step_of
from spsr.training.super_resolution import Sampler, SuperResolutionTask
from spsr.training.task import Training
from spsr.training.validation_set import validation_of


def build_generator(config: Config, name: str, seed: int) -> nn.Module:
    """The generator of a method before its first step: fresh as the recipe says, or from the method that it names.

    Raises:
        InputError: the weights to start from are not there, or do not fit.
    """
    generator = config.method(name).generator
    if generator is None:
        raise InputError(f"{config.path}: method '{name}' has no generator; choose one that is trained here")
    with seeded(seed, "generator"):
        network = build(generator.name, **config.generator_size(name))
    interpolation = config.preset.recipe.start == "interpolation"
    if interpolation:
        start_from_interpolation(network)
    if (first := config.method(name).init_from) is not None:
        start = weights_file(config, first)
        with naming(start):
            started = from_checkpoint(start, code=config.method(first).code).state_dict()
            initialise_from(network, started, keep_last=interpolation)
    return network


def build_task(
    config: Config,
    name: str,
    seed: int,
    sampler: Sampler,
    device: torch.device | str = "cpu",
    *,
    flops_per_step: int | None = None,
    flops_of_warmup: int | None = None,
) -> SuperResolutionTask:
    """The training of a method, ready for its first step.

    Raises:
        InputError: weights that it needs are not there (with the command that gets them), or do not fit.
    """
    compute, recipe = config.preset.compute, config.recipe(name)
    return SuperResolutionTask(
        process.placed(build_generator(config, name, seed), device, compute),
        build_objective(config, name, seed, load_frozen(config, name, device), device),
        sampler,
        config.schedule(config.method(name).schedule),
        fusion_warmup=recipe.fusion_warmup if recipe else 0,
        compute=compute,
        flops_per_step=flops_per_step,
        flops_of_warmup=flops_of_warmup,
    )


def step_samples(config: Config, name: str) -> int:
    """Samples of one step of a method, over all replicas."""
    return config.schedule(config.method(name).schedule).batch * replicas(config, name)


def method_training(config: Config, name: str, seed: int) -> Training:
    """The training of a method on this preset's images.

    Raises:
        InputError: the method is not trained here, or a file that it needs is not there.
    """
    schedule = config.schedule(config.method(name).schedule)

    def fresh_task() -> SuperResolutionTask:
        cost, samples = step_of(config, name).cost(), step_samples(config, name)
        device = process.set_up(config.preset.compute, seed)
        pack = open_pack(config.layout.training_pack)
        sampler = PatchSampler(pack, schedule.patch, samples, seed, config.preset.data.tiling, device=device)
        flops, warmup = cost.flops * samples, cost.warmup_flops * samples
        return build_task(config, name, seed, sampler, device, flops_per_step=flops, flops_of_warmup=warmup)

    settings = config.training_settings(name, seed)
    return Training(settings, input_hashes(config, name), fresh_task, validation_of(config))
