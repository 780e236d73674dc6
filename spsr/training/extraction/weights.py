"""Structure extractors as frozen networks: what trainings, probes and figures look through."""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from spsr.config import Config
from spsr.data import registry, weights
from spsr.errors import InputError
from spsr.models import architecture, from_checkpoint
from spsr.models.nse import DESIGNS, RECEPTIVE_FIELD, STRIDE
from spsr.models.resnet import ResNet18
from spsr.models.vgg import VGG19


def extractor_file(config: Config, name: str) -> Path:
    """The file with an extractor's weights: of its run for a NSE, of the registry for VGG19 and ResNet18.

    Raises:
        InputError: it is not there; says which command makes it.
    """
    fetched = config.extractor_weights(name)
    if fetched is not None:
        return weights.path(fetched)
    file = config.layout.model(name, config.seeds(name)[0])
    if not file.is_file():
        command = f"spsr pretrain {name} --configfile {config.path}"
        raise InputError(f"extractor '{name}': {file} is not there; run `{command}`")
    return file


def load_extractor(config: Config, name: str) -> nn.Module:
    """The extractor `name` with its weights, frozen: N x 3 x H x W RGB in [0, 1] to features N x C x h x w.

    A NSE has 32 channels and stride 4, VGG19 512 and ResNet18 256 channels and stride 16.

    Raises:
        InputError: no file, or a NSE of another design than the configuration's.
    """
    file, extractor = extractor_file(config, name), config.extractor(name)
    network: nn.Module
    if extractor.network == "nse":
        network = load_nse(file, extractor.design)
    elif extractor.network == "vgg19":
        entry = registry.weight(str(config.extractor_weights(name)))
        network = VGG19("caffe" if entry.preprocessing == "caffe" else "torchvision").load(load_file(file))
    else:
        network = ResNet18().load(load_file(file))
    return network.eval().requires_grad_(False)


def load_nse(file: Path, design: str) -> nn.Module:
    """The NSE in a file; it must have the given design.

    Raises:
        InputError: not a NSE, or of another design; both geometries are named.
    """
    network = from_checkpoint(file)
    name, size = architecture(network)
    if name != "nse":
        raise InputError(f"{file}: holds the network '{name}', not a NSE; name the file of `spsr pretrain`")
    if size["design"] != design:
        raise InputError(
            f"{file}: holds a NSE of {geometry(size['design'])}, but the configuration asks for {geometry(design)}; "
            "train it anew with --restart, or change `design` in extractors.yaml"
        )
    return network


def geometry(design: str) -> str:
    """Design, kernels, strides, skips and receptive field of a NSE in words."""
    kernels, strides, skips = DESIGNS[design]
    spans = " and ".join(f"{first}-{last}" for first, last in skips)
    return (
        f"design {design} (kernels {' '.join(map(str, kernels))}, strides {' '.join(map(str, strides))}, "
        f"skips over {spans}, receptive field {RECEPTIVE_FIELD}, stride {STRIDE})"
    )
