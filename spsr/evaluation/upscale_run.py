"""The super-resolved images of one run of a method on every benchmark of a preset."""

from pathlib import Path

import torch
from torch import nn

from spsr import models
from spsr.config import Config
from spsr.data import weights
from spsr.data.benchmark import prepared_benchmarks
from spsr.data.hashing import known_hash
from spsr.errors import InputError
from spsr.evaluation.probability_maps import upscale_with_maps
from spsr.evaluation.upscale import Upscaler
from spsr.evaluation.upscale_files import upscale_files
from spsr.evaluation.upscaled import write_upscaled
from spsr.models.device import chosen
from spsr.models.inference import placed
from spsr.progress import Progress, silent


def upscale_run(config: Config, name: str, seed: int, progress: Progress = silent) -> list[Path]:
    """Super-resolve every benchmark into `Layout.images`, with a record of the images beside them.

    Returns:
        The records; none for a foreign method with images of its own.

    Raises:
        InputError: unknown method; its weights or a prepared benchmark are missing (with the remedy).
    """
    method, layout = config.method(name), config.layout
    if method.images is not None:
        return []
    torch.set_num_threads(config.preset.compute.threads)
    upscaler = load_upscaler(config, name, seed)
    used = known_hash(weights_file(config, name, seed)) if isinstance(upscaler, nn.Module) else None
    written = []
    datasets = prepared_benchmarks(config)
    for done, dataset in enumerate(datasets):
        progress(done, len(datasets), f"{name} on {dataset}")
        images = _upscale(config, upscaler, name, seed, dataset)
        record = layout.upscaled(name, seed, dataset)
        write_upscaled(record, layout.benchmark(dataset), images, used)
        written.append(record)
    progress(len(datasets), len(datasets), name)
    return written


def _upscale(config: Config, upscaler: Upscaler, name: str, seed: int, dataset: str) -> list[Path]:
    benchmark, out = config.layout.benchmark(dataset), config.layout.images(name, seed, dataset)
    folder = config.preset.probability_maps.get(name)
    if config.preset.data.benchmarks[dataset].lr is not None:
        if folder is not None:
            raise InputError(f"{folder}: maps from a folder need LR images made from {dataset}; leave out `lr`")
        return upscale_files(upscaler, [benchmark / "LR"], out, replace=True)
    if folder is not None and isinstance(upscaler, nn.Module):
        return upscale_with_maps(upscaler, benchmark / "HR", Path(folder) / dataset, out)
    return upscale_files(upscaler, [benchmark / "HR"], out, from_hr=True, replace=True)


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
    return placed(network, chosen(config.preset.compute.device))


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
