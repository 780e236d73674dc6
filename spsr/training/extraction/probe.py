"""What extractors know: accuracies of fresh heads on frozen features (Section 5.2, Appendix B.2; Figs. 6, 14, 15)."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spsr.config import Config, Extractor, Probe, Schedule, TrainingSettings
from spsr.config.preset import Tiling
from spsr.data.benchmark import require
from spsr.data.hashing import file_hash
from spsr.data.inputs import input_hashes, weights_file
from spsr.data.pack import open_pack
from spsr.errors import InputError, Stopped
from spsr.images import RGB, image_index, read_rgb
from spsr.models import from_checkpoint
from spsr.models.flops import forward_flops
from spsr.models.nse import CHANNELS
from spsr.tensors import channels_first
from spsr.training.execution import Execution
from spsr.training.extraction import jigsaw
from spsr.training.extraction.pretext import Contrastive, Jigsaw, Pretext
from spsr.training.extraction.pretrain import flips_sampler
from spsr.training.extraction.probe_file import write_probe
from spsr.training.extraction.self_supervision import ExtractorTask
from spsr.training.frozen import load_extractor
from spsr.training.loop import carry_out
from spsr.training.process import set_up
from spsr.training.seeding import seeded
from spsr.training.task import Training
from spsr.training.tiles import tile_starts

CHANCE = {"contrastive": 1 / 2036, "jigsaw": 1 / len(jigsaw.PERMUTATIONS)}
"""Accuracy of guessing, on 200-pixel patches for contrastive prediction."""

_CHANNELS = {"nse": CHANNELS, "vgg19": 512, "resnet18": 256}
_PATCHES: dict[str, Callable[[Probe], tuple[int, int]]] = {
    "contrastive": lambda probe: (probe.contrastive_patch, probe.contrastive_stride),
    "jigsaw": lambda probe: (probe.jigsaw_patch, probe.jigsaw_stride),
}
_BATCH = 16


def probe_extractor(config: Config, name: str, seed: int, execution: Execution) -> Path:
    """Train fresh heads on the frozen extractor `name` and test them on every benchmark of the preset.

    The predictor P' has the sampling that the extractor was trained with, `h` where it had none. VGG19 and ResNet18
    see more than the distance of neighbouring cells, so that contrastive prediction without shared pixels is
    impossible: they solve the jigsaw puzzle only, on windows of 31x31 pixels that are cut out.

    Args:
        seed: of the heads, the anchors and the permutations.
        execution: its folder gets `NAME.csv` and the runs of the heads; its time is for all heads together.

    Returns:
        The CSV file: `extractor,task,dataset,repeat,accuracy,n`, n being the number of patches.

    Raises:
        InputError: the preset probes nothing, a file is missing, or no image of a benchmark holds a patch.
        Stopped, RunFailed: see `spsr.training.loop.carry_out`.
    """
    probe = config.preset.probe
    if probe is None:
        raise InputError(f"{config.path}: probes nothing; add `probe:` with the schedules of the heads")
    extractor = config.extractor(name)
    benchmarks = {dataset: _images(config, dataset) for dataset in config.preset.data.benchmarks}
    for pretext, _ in _pretexts(config, extractor, probe):
        for dataset, images in benchmarks.items():
            _report_skipped(dataset, pretext.name, images, _PATCHES[pretext.name](probe)[0])
    device = set_up(config.preset.compute, seed)
    network = load_extractor(config, name).to(device)
    began, rows = time.monotonic(), []
    for pretext, schedule in _pretexts(config, extractor, probe):
        limit, spent = execution.max_minutes, (time.monotonic() - began) / 60
        left = None if limit is None else max(0.0, limit - spent)
        run = replace(execution, out=execution.out / name / pretext.name, max_minutes=left)
        head = _train_head(config, name, pretext, schedule, seed, network, device, run)
        for dataset, images in benchmarks.items():
            correct = _test(pretext, probe, network, head, list(images.values()), seed, device)
            for repeat, accuracy in enumerate(correct.double().mean(0).tolist()):
                rows.append((name, pretext.name, dataset, repeat, accuracy, len(correct)))
    file = execution.out / f"{name}.csv"
    write_probe(rows, file)
    return file


def _pretexts(config: Config, extractor: Extractor, probe: Probe) -> Iterator[tuple[Pretext, Schedule]]:
    """The tasks that an extractor can be tested with, and the schedules of their heads."""
    if extractor.network == "nse":
        yield Contrastive(extractor.sampling or "h", config.preset.anchors_per_patch), probe.contrastive
        yield Jigsaw(config.preset.puzzles_per_patch), probe.jigsaw
    else:
        yield Jigsaw(config.preset.puzzles_per_patch, _CHANNELS[extractor.network], windows=True), probe.jigsaw


def _train_head(
    config: Config,
    name: str,
    pretext: Pretext,
    schedule: Schedule,
    seed: int,
    network: nn.Module,
    device: torch.device,
    execution: Execution,
) -> nn.Module:
    def fresh_task() -> ExtractorTask:
        if execution.max_minutes == 0:
            raise Stopped(f"{execution.out}: no time left; the same command goes on")
        with seeded(seed, f"probe/{pretext.name}"):
            head = pretext.head().to(device)
        return ExtractorTask(
            pretext,
            network,
            head,
            flips_sampler(config, open_pack(config.layout.training_pack), schedule, seed, device),
            schedule,
            seed,
            frozen=True,
            compute=config.preset.compute,
            flops_per_step=schedule.batch * forward_flops(network, (1, 3, schedule.patch, schedule.patch)),
        )

    inputs = input_hashes(config, name) | {"extractor": file_hash(weights_file(config, name))}
    settings = _settings(config, name, pretext, schedule, seed)
    return from_checkpoint(carry_out(Training(settings, inputs, fresh_task), execution)).to(device).eval()


def _settings(config: Config, name: str, pretext: Pretext, schedule: Schedule, seed: int) -> TrainingSettings:
    """What the weights of a head depend on: the extractor's settings, with its own schedule and task."""
    return config.training_settings(name, seed).model_copy(update={"schedule": schedule, "probe": str(pretext)})


def _images(config: Config, dataset: str) -> dict[str, RGB]:
    folder = config.layout.benchmark(dataset) / "HR"
    require(config.layout.benchmark(dataset), f"run `spsr prepare {dataset} --configfile {config.path}`")
    return {name: read_rgb(file) for name, file in image_index(folder).items()}


def _report_skipped(dataset: str, task: str, images: dict[str, RGB], patch: int) -> None:
    small = [f"{name} ({image.shape[1]}x{image.shape[0]})" for name, image in images.items() if not _fits(image, patch)]
    if len(small) == len(images):
        raise InputError(
            f"{dataset}: no image holds a {patch}x{patch} patch for the {task} probe "
            f"({', '.join(small[:4])}{', …' if len(small) > 4 else ''}); choose a smaller probe.{task}_patch"
        )
    if small:
        print(
            f"{dataset}: {len(small)} of {len(images)} images are too small for the {patch}x{patch} patches "
            f"of the {task} probe and are skipped: {', '.join(small)}",
            flush=True,
        )


def _fits(image: RGB, patch: int) -> bool:
    return min(image.shape[:2]) >= patch


def patches(images: Sequence[RGB], patch: int, stride: int) -> Iterator[RGB]:
    """Every `stride` pixels of each image a patch, and a last one at the end of each row and column.

    Images smaller than a patch give none.
    """
    tiling = Tiling(size=patch, step=stride, remainder=0)
    for image in images:
        for top in tile_starts(image.shape[0], tiling):
            for left in tile_starts(image.shape[1], tiling):
                yield image[top : top + patch, left : left + patch]


def _batches(images: Sequence[RGB], patch: int, stride: int, device: torch.device) -> Iterator[Tensor]:
    """The patches as N x 3 x H x W in [0, 1]."""
    collected: list[RGB] = []
    for one in patches(images, patch, stride):
        collected.append(one)
        if len(collected) == _BATCH:
            yield _tensor(collected, device)
            collected = []
    if collected:
        yield _tensor(collected, device)


def _tensor(collected: Sequence[RGB], device: torch.device) -> Tensor:
    return channels_first(np.stack(collected)).to(device).float() / 255


@torch.no_grad()
def _test(
    pretext: Pretext,
    probe: Probe,
    network: nn.Module,
    head: nn.Module,
    images: Sequence[RGB],
    seed: int,
    device: torch.device,
) -> Tensor:
    """Whether each patch is solved in each repeat, patches x repeats booleans."""
    batches = _batches(images, *_PATCHES[pretext.name](probe), device)
    return torch.cat(
        [pretext.solved(network, head, batch, seed, number, probe.repeats) for number, batch in enumerate(batches)]
    ).cpu()
