"""Random weights in the places of fetched and trained ones, so that any method can be built and trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from synthetic import toy_config

from spsr.config import Config
from spsr.config.settings import NATURALNESS
from spsr.data import weights
from spsr.models import build
from spsr.models.checkpoint import to_checkpoint
from spsr.models.layers import initialise
from spsr.models.resnet import ResNet18
from spsr.models.vgg import VGG19
from spsr.training import frozen

ALEXNET_SHAPES = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
PREPROCESSING = {"vgg19": "caffe", "vgg19_torchvision": "torchvision"}


@contextmanager
def with_random_weights(folder: Path, **changes: object) -> Iterator[Config]:
    """The toy preset in `folder`, the working directory meanwhile, with a thin VGG19 and random weights everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SPSR_RESOURCES", str(folder / "resources"))
        patch.setattr("spsr.models.vgg.STAGES", ((4, 2), (4, 2), (8, 4), (8, 4), (512, 4)))
        patch.setattr(frozen, "load_vgg19", cache(frozen.load_vgg19))
        config = toy_config(folder, **changes)
        write_random_weights(config)
        yield config


def write_random_weights(config: Config) -> None:
    """VGG19 and ResNet18 as the registry stores them, and every starting point and extractor of the configuration."""
    torch.manual_seed(0)
    for name in {config.preset.perceptual.weights, *filter(None, map(config.extractor_weights, config.extractors))}:
        network = ResNet18() if name == "resnet18" else VGG19(PREPROCESSING[name])
        initialise(network, gain=1)
        state = {key: value for key, value in network.state_dict().items() if not key.endswith("batches_tracked")}
        file = _folder_of(weights.stored(name))
        save_file({key: value.contiguous() for key, value in state.items()}, file)
    write_starting_points(config)
    judge = build(NATURALNESS, **config.size(NATURALNESS))
    to_checkpoint(judge, _folder_of(config.layout.model(NATURALNESS, config.seeds(NATURALNESS)[0])))
    for name, extractor in config.extractors.items():
        if extractor.network == "nse":
            to_checkpoint(build("nse"), _folder_of(config.layout.model(name, config.seeds(name)[0])))


def write_starting_points(config: Config) -> None:
    """Random generators in the places of the trained ones that others start from."""
    for name in config.starting_points:
        generator = config.method(name).generator
        assert generator is not None
        network = build(generator.name, **config.generator_size(name))
        to_checkpoint(network, _folder_of(config.layout.model(name, config.seeds(name)[0])))


def write_alexnet(file: Path) -> Path:
    """AlexNet's layers with random weights: LPIPS on it is no LPIPS, but a distance."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for layer, (out_channels, in_channels, kernel) in ALEXNET_SHAPES.items():
        shape = (out_channels, in_channels, kernel, kernel)
        state[f"features.{layer}.weight"] = torch.randn(shape, generator=generator) / (in_channels**0.5 * kernel)
        state[f"features.{layer}.bias"] = torch.zeros(out_channels)
    save_file(state, _folder_of(file))
    return file


def _folder_of(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
