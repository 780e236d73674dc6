"""Structure extractors as frozen networks: what trainings, probes and figures look through."""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from spsr.config import Config
from spsr.data import registry
from spsr.data.inputs import weights_file
from spsr.errors import InputError
from spsr.models import architecture, from_checkpoint
from spsr.models.resnet import ResNet18
from spsr.models.vgg import VGG19


def load_extractor(config: Config, name: str) -> nn.Module:
    """The extractor `name` with its weights, frozen: N x 3 x H x W RGB in [0, 1] to features N x C x h x w.

    A NSE has 32 channels and stride 4, VGG19 512 and ResNet18 256 channels and stride 16.

    Raises:
        InputError: no file, or one that holds another network.
    """
    file, extractor = weights_file(config, name), config.extractor(name)
    network: nn.Module
    if extractor.network == "nse":
        network = load_nse(file)
    elif extractor.network == "vgg19":
        entry = registry.weight(str(config.extractor_weights(name)))
        network = VGG19("caffe" if entry.preprocessing == "caffe" else "torchvision").load(load_file(file))
    else:
        network = ResNet18().load(load_file(file))
    return network.eval().requires_grad_(False)


def load_nse(file: Path) -> nn.Module:
    """The NSE in a file; `InputError` if it holds something else."""
    network = from_checkpoint(file)
    if (name := architecture(network)[0]) != "nse":
        raise InputError(f"{file}: holds the network '{name}', not a NSE; name the file of `spsr pretrain`")
    return network
