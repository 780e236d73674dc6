"""The networks by name: building one, and telling which one a file of another project holds.

A network's module is imported when the network is first asked for. What a module says in `KEY_LAYOUTS` of other
projects' files for its network is found through this table too.
"""

import difflib
import importlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spsr import plugins
from spsr.config.networks import NETWORKS, wrong_size
from spsr.errors import InputError, Terminated
from spsr.models.key_layout import KeyLayout, Recognised


def build(name: str, **size: Any) -> nn.Module:
    """Build a network by name with fresh weights.

    The network carries `architecture` (its name) and `size` (all its sizes), which `to_checkpoint` writes down.

    Args:
        name: `rrdb`, `spsr`, `edsr`, `srresnet`, `srresnet_bn`, `rcan`, `frsr` or `sftgan` (generators: `N x 3 x h x w`
            in [0, 1] to `N x 3 x 4h x 4w`), `nse`, one of its heads `predictor` and `jigsaw_head`, or `nmd`.
            A reference (`FILE.py:CLASS` or `MODULE:CLASS`) stands for a generator of one's own.
        size: the keyword arguments of the network's class; what is left out has its default.

    Raises:
        InputError: for an unknown name or size, or a size that the network cannot have.
    """
    network_class = _class_of(name)
    parameters = _parameters(network_class)
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in size:
            raise InputError(f"network '{name}': size '{key}' is not given and has no default; give it")
    for key, value in size.items():
        if key not in parameters:
            raise InputError(f"network '{name}': unknown size '{key}'{_suggestion(key, list(parameters))}")
        _check_size(name, key, value, parameters[key].annotation)
    with plugins.running(name):
        network = network_class(**size)
    vars(network)["architecture"] = name
    vars(network)["size"] = {key: size.get(key, parameter.default) for key, parameter in parameters.items()}
    if plugins.is_reference(name):
        _check_output(name, network)
        _check_storable(name, network)
    return network


def sizes(name: str) -> tuple[str, ...]:
    """What `build` can be told of a network; raises as `build` does."""
    return tuple(_parameters(_class_of(name)))


def architecture(network: nn.Module) -> tuple[str, dict[str, Any]]:
    """Name and sizes of a network that `build` made."""
    return vars(network)["architecture"], vars(network)["size"]


def recognise(state: Mapping[str, Tensor]) -> Recognised | None:
    """Tell the network, its size and its layout from the keys and shapes of another project's state dict.

    None if it is in no known layout.

    Raises:
        InputError: a size or scale that the network here cannot have.
    """
    fitting = [layout for layout in _key_layouts() if all(marker in state for marker in layout.markers)]
    if not fitting:
        return None
    layout = max(fitting, key=lambda layout: len(layout.markers))
    return Recognised(layout, layout.size(state))


def titles() -> list[str]:
    """What the known layouts of other projects are called."""
    return [layout.title for layout in _key_layouts()]


def layouts_of(name: str) -> list[KeyLayout]:
    """The layouts that other projects have for the network `name`, that of its authors first."""
    return [layout for layout in _key_layouts() if layout.architecture == name]


def _key_layouts() -> Iterator[KeyLayout]:
    for module in dict.fromkeys(place.split(":")[0] for place in NETWORKS.values()):
        yield from getattr(importlib.import_module(f"spsr.models.{module}"), "KEY_LAYOUTS", ())


def _class_of(name: str) -> type[nn.Module]:
    if not plugins.is_reference(name):
        if name not in NETWORKS:
            raise InputError(f"network '{name}': unknown{_suggestion(name, list(NETWORKS))}")
        module, class_name = NETWORKS[name].split(":")
        with torch.device("cpu"):  # Modules hold tensors, and `build` may be asked for a network on another device.
            found: type[nn.Module] = getattr(importlib.import_module(f"spsr.models.{module}"), class_name)
        return found
    network_class = plugins.named(name)
    if not (isinstance(network_class, type) and issubclass(network_class, nn.Module)):
        raise InputError(f"network '{name}': is no class of torch.nn.Module; name one")
    return network_class


def _parameters(network_class: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """The sizes that a class takes."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {key: each for key, each in inspect.signature(network_class).parameters.items() if each.kind in named}


def _check_output(reference: str, network: nn.Module) -> None:
    """See that a generator of one's own enlarges an image four times in both directions."""
    network.eval()
    try:
        with torch.no_grad():
            output = network(torch.zeros(1, 3, 16, 16))
    except (KeyboardInterrupt, MemoryError, Terminated):
        raise
    except BaseException as error:  # also one that exits
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"network '{reference}': fails on an image of 1x3x16x16: {said}") from error
    sr = output[0] if isinstance(output, tuple | list) and output else output
    if not isinstance(sr, Tensor) or sr.shape != (1, 3, 64, 64):
        shown = "x".join(map(str, sr.shape)) if isinstance(sr, Tensor) else type(sr).__name__
        raise InputError(f"network '{reference}': makes {shown} of an image of 1x3x16x16; 1x3x64x64 is needed")
    network.train()


def _check_storable(reference: str, network: nn.Module) -> None:
    """See that a generator of one's own can be written down, before it is trained."""
    size = vars(network)["size"]
    try:
        described = json.loads(json.dumps(size, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"network '{reference}': its sizes cannot be written down ({error}); use numbers") from error
    if described != size:
        raise InputError(f"network '{reference}': its sizes are other ones once they are read back; use numbers")
    places = [tensor.untyped_storage()._cdata for tensor in network.state_dict().values()]
    if len(set(places)) < len(places):
        raise InputError(f"network '{reference}': two of its tensors are one, which no file keeps; give each its own")


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; choose one of {', '.join(known)}"


def _check_size(name: str, key: str, value: Any, annotation: Any) -> None:
    if (remedy := wrong_size(getattr(annotation, "__name__", ""), value)) is not None:
        raise InputError(f"network '{name}': size {key}={value!r} is wrong; {remedy}")
