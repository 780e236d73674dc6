"""A method on every benchmark of a preset: super-resolved images and their scores."""

from pathlib import Path

import torch
from torch import nn

from spsr import models
from spsr.config import Config
from spsr.data import weights
from spsr.data.benchmark import require
from spsr.errors import InputError
from spsr.evaluation.measurement import write_scores
from spsr.evaluation.pairs import match_folders
from spsr.evaluation.probability_maps import upscale_with_maps
from spsr.evaluation.score import score_pairs
from spsr.evaluation.upscale import Upscaler, upscale_files
from spsr.metrics.lpips import WEIGHTS
from spsr.metrics.measured import further
from spsr.models.device import chosen
from spsr.progress import Progress, silent


def evaluate(config: Config, name: str, seed: int, progress: Progress = silent) -> list[Path]:
    """Super-resolve and score every benchmark with one run of a method.

    Images go to `Layout.images`, per-image scores to `Layout.scores`, and where LPIPS finds a difference to
    `Layout.lpips_maps`; a foreign method's own images are scored where they lie.

    Returns:
        The score files.

    Raises:
        InputError: unknown method; its weights, images or a prepared benchmark are missing (with the remedy).
    """
    method, layout = config.method(name), config.layout
    torch.set_num_threads(config.preset.compute.threads)
    workers = max(2, config.preset.compute.threads)
    upscaler = None if method.images is not None else load_upscaler(config, name, seed)
    used = weights_file(config, name, seed) if isinstance(upscaler, nn.Module) else None
    folder = config.preset.probability_maps.get(name)
    written = []
    benchmarks = config.preset.data.benchmarks
    for done, dataset in enumerate(benchmarks):
        progress(done, len(benchmarks), f"{name} on {dataset}")
        originals = layout.benchmark(dataset) / "HR"
        if benchmarks[dataset].optional and not layout.passport(dataset).is_file():
            continue
        require(layout.benchmark(dataset), f"run `spsr prepare {dataset}` for this preset")
        images = config.images(name, seed, dataset)
        if upscaler is not None:
            if benchmarks[dataset].lr is not None:
                if folder is not None:
                    raise InputError(f"{folder}: maps from a folder need LR images made from {dataset}; leave out `lr`")
                upscale_files(upscaler, [layout.benchmark(dataset) / "LR"], images, replace=True)
            elif folder is not None and isinstance(upscaler, nn.Module):
                upscale_with_maps(upscaler, originals, Path(folder) / dataset, images)
            else:
                upscale_files(upscaler, [originals], images, from_hr=True, replace=True)
        target, maps = layout.scores(name, seed, dataset), layout.lpips_maps(name, seed, dataset)
        pairs = match_folders(images, originals)
        frame = score_pairs(pairs, config.preset.lpips, metrics=further(config), maps=maps, workers=workers)
        write_scores(frame, target, pairs, used, weights.stored(WEIGHTS[config.preset.lpips]))
        written.append(target)
    progress(len(benchmarks), len(benchmarks), name)
    return written


def load_upscaler(config: Config, name: str, seed: int) -> Upscaler:
    """The network of one run of a method, on the preset's device, or `"bicubic"`.

    Raises:
        InputError: unknown method, or its weights are not there (with the command that makes them).
    """
    if config.method(name).source == "computed":
        return "bicubic"
    file = weights_file(config, name, seed)
    network: nn.Module = models.from_checkpoint(file, scale=4, code=config.method(name).code)
    architecture = models.architecture(network)[0]
    if architecture in models.NETWORKS.keys() - models.GENERATORS.keys():
        raise InputError(f"{file}: holds the network '{architecture}', which makes no images; name a generator")
    maps = config.maps(name)
    if maps is not None and architecture == "sftgan":
        vars(network)["maps"] = maps
    return network.to(chosen(config.preset.compute.device))


def weights_file(config: Config, name: str, seed: int) -> Path:
    """The file of a method's weights: trained, fetched, or someone else's.

    Raises:
        InputError: unknown method, it has no weights, or they are not there (with the command that makes them).
    """
    method = config.method(name)
    if method.source == "trained":
        file = config.layout.model(name, seed)
        remedy = f"run `spsr train {name} {config.options} --seed {seed}` first"
    elif method.weights is not None:
        file = weights.path(method.weights)
        remedy = f"run `spsr fetch {method.weights}` first"
    elif method.checkpoint is not None:
        file = Path(method.checkpoint)
        remedy = "name an existing checkpoint"
    else:
        raise InputError(f"method '{name}': has no weights; name one that is trained, released or a checkpoint")
    if not file.is_file():
        raise InputError(f"{file}: no weights of method '{name}' with seed {seed}; {remedy}")
    return file
