"""The trainings of `spsr pretrain`: structure extractors, put together from the configuration."""

from pathlib import Path

import torch

from spsr.config import Config, Extractor, Schedule
from spsr.config.run_folder import RunFolder
from spsr.data.inputs import input_hashes
from spsr.data.pack import Pack, open_pack, without
from spsr.errors import InputError
from spsr.files import write_text
from spsr.models import build
from spsr.models.layers import initialise
from spsr.training import record
from spsr.training.execution import Execution
from spsr.training.extraction.pretext import Contrastive, Jigsaw, Pretext
from spsr.training.extraction.self_supervision import ExtractorTask
from spsr.training.patches import PatchSampler
from spsr.training.process import set_up
from spsr.training.seeding import seeded
from spsr.training.step_cost import network_step
from spsr.training.task import Training


def extractor_training(config: Config, name: str, seed: int) -> Training:
    """The training of an extractor by its own task on this preset's images.

    Raises:
        InputError: the extractor is not trained, or there are no packed training images.
    """
    extractor, settings = config.extractor(name), config.training_settings(name, seed)
    schedule = settings.schedule
    if extractor.network != "nse" or schedule is None:
        raise InputError(f"extractor '{name}': is not trained; choose one with a task")

    def fresh_task() -> ExtractorTask:
        device = set_up(config.preset.compute, seed)
        return extractor_task(config, extractor, schedule, open_pack(config.layout.training_pack), seed, device)

    return Training(settings, input_hashes(config, name), fresh_task)


def write_untrained(config: Config, name: str, seed: int, execution: Execution) -> Path:
    """Write the first weights of an extractor without a task, in the form of a finished run; returns their file.

    Raises:
        InputError: the extractor has released weights, or the folder holds another run.
    """
    if config.extractor(name).network != "nse":
        fetched = config.extractor_weights(name)
        raise InputError(f"extractor '{name}': has released weights and is not trained; run `spsr fetch {fetched}`")
    folder, identity = RunFolder(execution.out), record.run_identity(config.training_settings(name, seed), {})
    if record.is_finished(folder, identity, execution.restart):
        return folder.model
    if record.is_damaged(folder):
        print(f"{folder.model}: is damaged and is made again", flush=True)
    with seeded(seed, "extractor"):
        network = build("nse")
    if record.must_move_aside(folder, identity, execution.restart):
        record.move_aside(folder)
    with record.locked(folder):
        record.write_record(folder, identity)
        write_text(folder.events, "")
        record.write_model(folder, network)
    return folder.model


def extractor_task(
    config: Config, extractor: Extractor, schedule: Schedule, pack: Pack, seed: int, device: torch.device
) -> ExtractorTask:
    """The training of a fresh NSE and head by the extractor's task."""
    pretext = pretext_of(config, extractor)
    with seeded(seed, "extractor"):
        network = build("nse")
        if pretext.name == "jigsaw":
            # PyTorch's default weakens the signal from layer to layer: contrastive prediction compares directions and
            # does not care, but the classifier here sees four nearly equal vectors and stays at chance for long.
            initialise(network, gain=1)
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
        flops_per_step=schedule.batch * network_step("nse", schedule.patch).cost().flops,
    )


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
