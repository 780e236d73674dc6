"""A whole run of `spsr pretrain`: from the configuration to the extractor's `model.safetensors`."""

from pathlib import Path

import numpy as np
import torch

from spsr.config import Config, Extractor, Schedule, TrainingSettings
from spsr.data.hashing import file_hash
from spsr.data.pack import Pack, open_pack
from spsr.errors import InputError
from spsr.files import write_text
from spsr.models import build, save
from spsr.models.cost import forward_backward_flops
from spsr.training import loop, record
from spsr.training.extractor import ExtractorTask
from spsr.training.patches import PatchSampler
from spsr.training.pretext import Contrastive, Jigsaw, Pretext
from spsr.training.process import set_up
from spsr.training.seeding import seeded


def pretrain_extractor(
    config: Config,
    name: str,
    seed: int,
    out: Path | None = None,
    *,
    max_minutes: float | None = None,
    restart: record.Restart = False,
    progress: loop.Progress | None = None,
) -> Path:
    """Train the extractor `name` on the preset's training images, or write the first weights of one without a task.

    Goes on from where an earlier execution was interrupted.

    Args:
        out: the run's folder; `results/PRESET/runs/NAME/seedN` by default.
        max_minutes, restart, progress: see `spsr.training.loop.run`.

    Returns:
        The file with the extractor's weights, `model.safetensors`.

    Raises:
        InputError: an extractor with released weights, no packed training images, or a patch that fits in none.
        Stopped, RunFailed: see `spsr.training.loop.run`.
    """
    extractor = config.extractor(name)
    if extractor.network != "nse":
        fetched = config.extractor_weights(name)
        raise InputError(f"extractor '{name}': has released weights and is not trained; run `spsr fetch {fetched}`")
    out = out or config.layout.run(name, seed)
    settings = config.training_settings(name, seed)
    if settings.schedule is None:
        with seeded(seed, "extractor"):
            network = build("nse", design=extractor.design)
        _write_untrained(network, settings, out, restart)
        return out / record.MODEL
    index = config.layout.training_pack
    if not index.is_file():
        raise InputError(f"{index}: no packed training images; run `spsr prepare training --configfile {config.path}`")
    inputs = {"training images": file_hash(index.with_name("hr.npy"))}
    if record.is_finished(settings, inputs, out, restart):
        return out / record.MODEL
    device = set_up(config.preset.compute, seed)
    task = extractor_task(config, extractor, settings.schedule, open_pack(index), seed, device)
    loop.run(task, settings, inputs, out, max_minutes=max_minutes, restart=restart, progress=progress)
    return out / record.MODEL


def extractor_task(
    config: Config, extractor: Extractor, schedule: Schedule, pack: Pack, seed: int, device: torch.device
) -> ExtractorTask:
    """The training of a fresh NSE and head by the extractor's task."""
    pretext = pretext_of(config, extractor)
    with seeded(seed, "extractor"):
        network = build("nse", design=extractor.design)
        if pretext.name == "jigsaw":
            he_initialise(network)
    with seeded(seed, f"head/{pretext.name}"):
        head = pretext.head()
    return ExtractorTask(
        pretext,
        network.to(device),
        head.to(device),
        flips_sampler(config, pack, schedule, seed, device),
        schedule,
        seed,
        compute=config.preset.compute,
        flops_per_step=schedule.batch * forward_backward_flops(network, (1, 3, schedule.patch, schedule.patch)),
    )


def he_initialise(network: torch.nn.Module) -> None:
    """Convolutions as He et al. start them for ReLU, biases at zero.

    PyTorch's default weakens the signal from layer to layer. Contrastive prediction compares directions and does not
    care, but the classifier of the jigsaw task then sees four nearly equal vectors and stays at chance for long.
    """
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)


def pretext_of(config: Config, extractor: Extractor) -> Pretext:
    """The task that an extractor is trained with."""
    if extractor.sampling is not None:
        return Contrastive(extractor.sampling, config.preset.anchors_per_patch)
    return Jigsaw(config.preset.puzzles_per_patch)


def flips_sampler(config: Config, pack: Pack, schedule: Schedule, seed: int, device: torch.device) -> PatchSampler:
    """Patches of the schedule with random flips, from the images that are large enough.

    Smaller images are skipped, counted and named.

    Raises:
        InputError: none is large enough.
    """
    tiling = config.preset.data.tiling
    side = max(schedule.patch, tiling.size if tiling else 0)
    small = [i for i, size in enumerate(pack.sizes) if min(size) < side]
    if len(small) == len(pack.names):
        raise InputError(f"{config.path}: no training image holds a {side}x{side} patch; choose a smaller `patch`")
    if small:
        shown = ", ".join(f"{pack.names[i]} ({pack.sizes[i][1]}x{pack.sizes[i][0]})" for i in small)
        print(f"{len(small)} of {len(pack.names)} training images are smaller than {side}x{side}: {shown}", flush=True)
        pack = without(pack, frozenset(small))
    return PatchSampler(pack, schedule.patch, schedule.batch, seed, tiling=tiling, device=device, augment="flips")


def without(pack: Pack, skipped: frozenset[int]) -> Pack:
    """A copy of a pack without some of its images."""
    ends = np.cumsum([0, *(height * width * 3 for height, width in pack.sizes)])
    kept = [i for i in range(len(pack.names)) if i not in skipped]
    return Pack(
        names=[pack.names[i] for i in kept],
        sizes=[pack.sizes[i] for i in kept],
        hr=np.concatenate([pack.hr[ends[i] : ends[i + 1]] for i in kept]),
        lr=np.concatenate([pack.lr[ends[i] // 16 : ends[i + 1] // 16] for i in kept]),
    )


def _write_untrained(network: torch.nn.Module, settings: TrainingSettings, out: Path, restart: record.Restart) -> None:
    if record.is_finished(settings, {}, out, restart):
        return
    identity = record.identity(settings, {})
    if record.must_move_aside(out, identity, restart):
        record.move_aside(out)
    with record.locked(out):
        record.write(out, identity)
        write_text(out / record.EVENTS, "")
        save(network, out / record.MODEL)
