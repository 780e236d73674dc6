"""Parameters, FLOPs and memory of a training's step, counted by PyTorch on meta tensors: no weights, no data.

FLOPs are 2 per multiply-add of convolutions and linear layers, forward and backward, and of nothing else.

Counting takes seconds. The steps of the presets in `configs/` are counted already, in `counted.jsonl`, which
`benchmarks/count_steps.py` writes and a test recounts; any other step is counted when it is asked for.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from spsr.config import Compute, Config
from spsr.config.settings import NATURALNESS
from spsr.errors import InputError
from spsr.files import read_lines
from spsr.images import SCALE
from spsr.models import build
from spsr.models.flops import forward_backward_flops, forward_flops
from spsr.plugins import OwnCodeFailed
from spsr.training.frozen import fresh_frozen
from spsr.training.memory import counting_saved_tensors
from spsr.training.objective import build_objective, replicas
from spsr.training.super_resolution import SuperResolutionTask

COUNTED = Path(__file__).with_name("counted.jsonl")


@dataclass(frozen=True)
class StepCost:
    """What a step of a training takes.

    Attributes:
        generator, discriminators: numbers of parameters that are trained; an extractor counts as a generator.
        flops: of one step, per sample, once the warm-up is over.
        warmup_flops: of one step of the warm-up of the fusion, or of SFTGAN's transforms; as `flops` where there is
            none.
        separate_flops: the same with a forward pass of each discriminator for the generator's loss and another for
            its own, as the official code has them.
        saved: bytes that autograd keeps at most, in fp32, for one sample of every replica.
    """

    generator: int
    discriminators: int
    flops: int
    warmup_flops: int
    separate_flops: int
    saved: int


@dataclass(frozen=True)
class Step:
    """A step of a training, before it is counted.

    Attributes:
        what: all that its cost depends on; weights of terms, titles and starting points do not matter.
        count: counts it.
    """

    what: str
    count: Callable[[], StepCost]

    def cost(self) -> StepCost:
        """What it takes: from the table, or counted once."""
        known = _known()
        if self.what not in known:
            known[self.what] = self.count()
        return known[self.what]

    def line(self) -> str:
        """Its line of the table, counted anew."""
        return json.dumps({"step": json.loads(self.what)} | asdict(self.count()))


_LINE = TypeAdapter(dict[str, Any])


@cache
def _known() -> dict[str, StepCost]:
    return {_text(line.pop("step")): StepCost(**line) for line in read_lines(COUNTED, _LINE)}


def _text(what: dict[str, Any]) -> str:
    return json.dumps(what, sort_keys=True)


def step_of(config: Config, name: str) -> Step:
    """The step of a method, of an extractor that is trained or of their judge, as this preset trains it."""
    if name == NATURALNESS:
        return network_step(name, config.schedule("naturalness").patch, **config.size(name))
    if name in config.extractors:
        extractor = config.extractor(name)
        return network_step(extractor.network, config.schedule(str(extractor.task)).patch)
    method = config.method(name)
    what: dict[str, Any] = {
        "generator": method.generator.name if method.generator else "",
        "size": config.generator_size(name),
        "terms": [f"{term.comparison}/{term.view}" for term in method.losses.terms()],
        "patch": config.schedule(method.schedule).patch,
        "compiled": config.preset.compute.compile,
    }
    if recipe := config.recipe(name):
        what |= recipe.model_dump(include={"gradient_pixel", "gradient_padding", "replicas", "structure_reduction"})
    if any(term.comparison == "adversarial" for term in method.losses.terms()):
        what["discriminators"] = [method.discriminator, config.size("discriminator")]
    if method.needs_structure:
        extractor = config.extractor(str(method.extractor))
        also_perceptual = config.extractor_weights(str(method.extractor)) == config.preset.perceptual.weights
        what["extractor"] = [extractor.network, method.needs_perceptual and also_perceptual]
    if method.needs_naturalness:
        what["judge"] = config.size(NATURALNESS)
    return Step(_text(what), partial(training_cost, config, name))


def network_step(name: str, patch: int, **size: Any) -> Step:
    """A forward and a backward pass of one network on patches of a side of `patch` pixels."""
    what = {"network": name, "size": size, "patch": patch}
    return Step(_text(what), partial(_network_cost, name, patch, size))


def steps(config: Config) -> dict[str, Step]:
    """The step of every training that a preset has a schedule for, by name."""
    schedules = {name: method.schedule for name, method in config.methods.items() if method.source == "trained"}
    schedules |= {name: str(extractor.task) for name, extractor in config.extractors.items()}
    schedules[NATURALNESS] = "naturalness"
    return {name: step_of(config, name) for name, schedule in schedules.items() if schedule in config.preset.schedules}


def step_flops(config: Config, name: str) -> int:
    """FLOPs of one step of a training once its warm-up is over, per sample, as this preset trains it."""
    return step_of(config, name).cost().flops


class _EmptyPatches:
    """Batches of the right shape without content."""

    def __init__(self, patch: int, samples: int, device: str) -> None:
        hr = torch.zeros(samples, 3, patch, patch, device=device)
        lr = torch.zeros(samples, 3, patch // SCALE, patch // SCALE, device=device)
        self._patches = {"lr": lr, "hr": hr}

    def plan(self, step: int) -> dict[str, Tensor]:
        return self._patches

    def cut(self, plan: dict[str, Tensor]) -> dict[str, Tensor]:
        return plan

    def image_names(self, step: int) -> list[str]:
        return []


def training_cost(config: Config, name: str, *, share_forward: bool | None = None) -> StepCost:
    """Count one step of a method that is trained here.

    Args:
        share_forward: whether the generator's loss and the discriminators' own share forward passes of the
            discriminators. By default as this preset trains.
    """
    try:
        return _counted(config, name, share_forward, "meta")
    except (OwnCodeFailed, InputError):
        with torch.random.fork_rng(devices=[]):  # It reads a value (`.item()`), and tensors without content have none.
            return _counted(config, name, share_forward, "cpu")


def _counted(config: Config, name: str, share_forward: bool | None, device: str) -> StepCost:
    compute = config.preset.compute
    share_forward = not compute.compile if share_forward is None else share_forward
    config = replace(config, preset=config.preset.model_copy(update={"compute": Compute()}))
    method, samples = config.method(name), replicas(config, name)
    schedule, size = config.schedule(method.schedule), config.generator_size(name)
    with torch.device(device):
        generator = build(method.generator.name if method.generator else "", **size)
        objective = build_objective(config, name, 0, fresh_frozen(config, name), device, share_forward=share_forward)
    schedule = schedule.model_copy(update={"warmup": 1})
    patches = _EmptyPatches(schedule.patch, samples, device)
    task = SuperResolutionTask(generator, objective, patches, schedule, fusion_warmup=1)
    for optimiser in task.optimisers():
        optimiser.step = _nothing  # type: ignore[method-assign]
    with FlopCounterMode(display=False) as counter, counting_saved_tensors() as saved:
        task.step(1)
    flops = separate = warmup = counter.get_total_flops() // samples
    if task.has_warmup:
        with FlopCounterMode(display=False) as counter:
            task.step(0)
        warmup = counter.get_total_flops() // samples
    if share_forward:
        views = objective.views(hr := patches.plan(0)["hr"], hr)
        for adversarial in objective.adversarial:
            shape = views.view("real", adversarial.term.view).shape[1:]
            separate += forward_flops(adversarial.discriminator, (2, *shape))
    discriminators = sum(_parameters(adversarial.discriminator) for adversarial in objective.adversarial)
    task.prepare(1)
    return StepCost(_parameters(generator), discriminators, flops, warmup, separate, saved.peak)


def _nothing(*_: object) -> None:
    """Adam has no convolutions, and takes long on meta tensors."""


def _network_cost(name: str, patch: int, size: dict[str, Any]) -> StepCost:
    with torch.device("meta"):
        network = build(name, **size)
    with counting_saved_tensors() as saved:
        flops = forward_backward_flops(network, (1, 3, patch, patch))
    return StepCost(_parameters(network), 0, flops, flops, flops, saved.peak)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
