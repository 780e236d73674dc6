"""Small but real trainings, for tests that stop, kill and compare them."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spsr.config import Compute, Config, Schedule, TrainingSettings, load
from spsr.config.settings import NATURALNESS
from spsr.errors import Stopped
from spsr.models import build
from spsr.training import checkpoints, process
from spsr.training.execution import Execution
from spsr.training.extraction.pretext import Contrastive
from spsr.training.extraction.pretrain import extractor_training, write_untrained
from spsr.training.extraction.self_supervision import ExtractorTask
from spsr.training.frozen import FrozenNetworks
from spsr.training.loop import carry_out
from spsr.training.method_training import method_training
from spsr.training.naturalness import naturalness_training
from spsr.training.objective import build_objective
from spsr.training.patches import PatchSampler
from spsr.training.seeding import seeded
from spsr.training.super_resolution import SuperResolutionTask
from spsr.training.task import Task, Training
from spsr.training.validation_set import ValidationSet

SIZE = {"features": 4, "blocks": 4, "growth": 4}
INPUTS = {"training images": "0" * 64}


@dataclass
class Images:
    """Three small images as a pack."""

    names: list[str] = field(default_factory=lambda: ["one", "two", "three"])
    sizes: list[tuple[int, int]] = field(default_factory=lambda: [(104, 96), (96, 96), (100, 112)])

    @staticmethod
    def _noise(pixels: int) -> NDArray[np.uint8]:
        return np.random.default_rng(0).integers(0, 256, 3 * pixels, dtype=np.uint8)

    @property
    def hr(self) -> NDArray[np.uint8]:
        return self._noise(sum(height * width for height, width in self.sizes))

    @property
    def lr(self) -> NDArray[np.uint8]:
        return self._noise(sum(height * width // 16 for height, width in self.sizes))


class Smooth(nn.Module):
    """Stands in for VGG19: features of the right kind in no time."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 5, stride=4)

    def forward(self, images: Tensor) -> Tensor:
        return self.features(images)


def train_method(config: Config, name: str, seed: int, out: Path | None = None, **options: Any) -> Path:
    """What `spsr train` does; returns the file with the weights."""
    execution = Execution(out or config.layout.run(name, seed).path, **options)
    return carry_out(method_training(config, name, seed), execution)


def pretrain(config: Config, name: str, seed: int, out: Path | None = None, **options: Any) -> Path:
    """What `spsr pretrain` does; returns the file with the weights."""
    execution = Execution(out or config.layout.run(name, seed).path, **options)
    if name == NATURALNESS:
        return carry_out(naturalness_training(config, seed), execution)
    if config.extractor(name).task is None:
        return write_untrained(config, name, seed, execution)
    return carry_out(extractor_training(config, name, seed), execution)


def run_task(
    task: Task,
    settings: TrainingSettings,
    inputs: dict[str, str],
    out: Path,
    validation: ValidationSet | None = None,
    **options: Any,
) -> None:
    """Train a task that is built already, or go on with it in `out`."""
    carry_out(Training(settings, inputs, lambda: task, validation), Execution(out, **options))


def small_task(config: Config, name: str, seed: int = 0) -> tuple[Task, TrainingSettings]:
    """The training of a method or extractor with the smallest networks that there are."""
    settings = config.training_settings(name, seed)
    assert settings.schedule is not None
    schedule: Schedule = settings.schedule
    if name in config.extractors:
        extractor = config.extractor(name)
        assert extractor.sampling is not None
        task = Contrastive(extractor.sampling)
        with seeded(seed, "extractor"):
            network, head = build("nse"), task.head()
        sampler = PatchSampler(Images(), schedule.patch, schedule.batch, seed, augment="flips")
        return ExtractorTask(task, network, head, sampler, schedule, seed), settings
    method = config.method(name)
    assert method.generator is not None
    with seeded(seed, "generator"):
        generator = build(method.generator.name, **SIZE)
    with seeded(seed, "frozen"):
        frozen = FrozenNetworks(Smooth().eval().requires_grad_(False), build("nse").eval().requires_grad_(False))
    recipe = config.recipe(name)
    assert recipe is not None
    sampler = PatchSampler(Images(), schedule.patch, schedule.batch * recipe.replicas, seed)
    task = SuperResolutionTask(
        generator,
        build_objective(config, name, seed, frozen),
        sampler,
        schedule,
        fusion_warmup=recipe.fusion_warmup,
    )
    return task, settings


def train(config: Config, name: str, out: Path, slow_writing: float = 0.0) -> None:
    """Train to the end in this process; `slow_writing` seconds are spent at each write to a checkpoint."""
    process.set_up(Compute(), 0)
    if slow_writing:
        write = checkpoints._Digesting.write

        def slowly(stream: Any, data: bytes) -> int:
            time.sleep(slow_writing)
            return write(stream, data)

        checkpoints._Digesting.write = slowly  # type: ignore[method-assign]
    task, settings = small_task(config, name)
    run_task(task, settings, INPUTS, out)


def command(config: Config, name: str, out: Path, slow_writing: float = 0.0) -> None:
    """`train` with the exit code of a command."""
    try:
        train(config, name, out, slow_writing)
    except Stopped:
        sys.exit(75)


def small_schedules(**settings: Any) -> dict[str, dict[str, Any]]:
    """Every schedule of the quick preset, with the same settings and the smallest patch and batch that is allowed."""
    patches = {"contrastive": 96, "jigsaw": 84, "spsr_vgg": 64, "spsr_resnet": 64}
    common = {"batch": 2, "learning_rate": 1e-3, **settings}
    schedules = {name: {"patch": patches.get(name, 32), **common} for name in load().preset.schedules}
    schedules["naturalness"]["batch"] = 4
    return schedules
