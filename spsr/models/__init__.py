"""Networks, and the checkpoints of this and other projects."""

import difflib
import importlib
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spsr.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

GENERATORS = {
    "rrdb": "rrdb:RRDBNet",
    "spsr": "spsr:SPSR",
    "edsr": "edsr:EDSR",
    "srresnet": "srresnet:SRResNet",
    "srresnet_bn": "srresnet_bn:SRResNetBN",
}
NETWORKS = GENERATORS | {"nse": "nse:NSE"}


def build(name: str, **size: Any) -> "nn.Module":
    """Build a network by name with fresh weights.

    The network carries `architecture` (its name) and `size` (all its sizes), which `save` writes down.

    Args:
        name: `rrdb`, `spsr`, `edsr`, `srresnet` or `srresnet_bn` (generators: `N x 3 x h x w` in [0, 1] to
            `N x 3 x 4h x 4w`), or `nse`.
        size: the keyword arguments of the network's class; what is left out has its default.

    Raises:
        InputError: for an unknown name or size, or a size that the network cannot have.
    """
    if name not in NETWORKS:
        raise InputError(f"network '{name}': unknown{_suggestion(name, list(NETWORKS))}")
    module, class_name = NETWORKS[name].split(":")
    network_class = getattr(importlib.import_module(f"spsr.models.{module}"), class_name)
    parameters = inspect.signature(network_class).parameters
    for key, value in size.items():
        if key not in parameters:
            raise InputError(f"network '{name}': unknown size '{key}'{_suggestion(key, list(parameters))}")
        _check_size(name, key, value, parameters[key].annotation)
    network: nn.Module = network_class(**size)
    network.architecture = name
    network.size = {key: size.get(key, parameter.default) for key, parameter in parameters.items()}
    return network


def from_checkpoint(path: "str | Path", scale: int | None = None) -> "nn.Module":
    """Load a network of this project or another; see `spsr.models.checkpoint.from_checkpoint`."""
    from spsr.models import checkpoint

    return checkpoint.from_checkpoint(path, scale)


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; choose one of {', '.join(known)}"


def _check_size(name: str, key: str, value: Any, annotation: Any) -> None:
    if annotation is int and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InputError(f"network '{name}': size {key}={value!r} is wrong; give a whole number from 1")
    if annotation is float and (not isinstance(value, int | float) or isinstance(value, bool) or not value > 0):
        raise InputError(f"network '{name}': size {key}={value!r} is wrong; give a number above 0")
