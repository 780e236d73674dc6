"""Writing a network so that its authors' code and other projects read it: `spsr.models.checkpoint` turned round."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from spsr.config.networks import NETWORKS
from spsr.errors import InputError
from spsr.files import atomic_path, write_text
from spsr.models.checkpoint import to_checkpoint
from spsr.models.key_layout import Recognised, rename
from spsr.models.networks import architecture, layouts_of, recognise
from spsr.tensors import write_safetensors

Target = Literal["official", "spandrel", "spsr"]

SPANDREL: Mapping[str, Mapping[str, Any]] = {"rrdb": {"growth": 32}, "rcan": {}}
"""The networks of this project that `spandrel` has, and the sizes that are fixed there."""


def export(network: nn.Module, out: Path, target: Target, card: Mapping[str, str]) -> str:
    """Write a network's weights, atomically; one network gives the same bytes.

    A `.safetensors` file has the card in its header; beside a `.pth` or `.pt` file, which has no place for it, the card
    stands in a file of the same name with `.json` after it.

    Args:
        network: one that `spsr.models.build` or `from_checkpoint` made.
        out: ends in `.safetensors`, or for layouts other than `spsr` in `.pth` or `.pt`.
        target: `official` names tensors as the network's authors do; `spandrel` does so only where that library reads
            the file; `spsr` is the layout of this project.
        card: what is known of the weights, as text.

    Returns:
        The title of the layout.

    Raises:
        InputError: the network has no such layout, one of its sizes cannot be held by it, or a wrong suffix.
    """
    suffixes = (".safetensors",) if target == "spsr" else (".safetensors", ".pth", ".pt")
    if out.suffix not in suffixes:
        found = f"a file of weights in the layout '{target}' ends in {' or '.join(suffixes)}, not in '{out.suffix}'"
        raise InputError(f"{found}; rename --out" + (", or add --onnx" if out.suffix == ".onnx" else ""))
    name = architecture(network)[0]
    if name.startswith("spandrel/") or (target == "spsr" and name not in NETWORKS):
        raise InputError(f"network '{name}': this project has no layout for it; its own file is what others read")
    if target == "spsr":
        to_checkpoint(network, out, **card)
        return "layout of this project"
    if target == "spandrel":
        _check_spandrel(network)
    title, state = official(network)
    if out.suffix == ".safetensors":
        write_safetensors(out, state, card)
    else:
        content = io.BytesIO()
        torch.save(state, content)
        with atomic_path(out) as temporary:
            temporary.write_bytes(content.getvalue())
        write_text(f"{out}.json", json.dumps(dict(card), indent=1, ensure_ascii=False) + "\n")
    return title


def official(network: nn.Module) -> tuple[str, dict[str, Tensor]]:
    """The title of the layout of a network's authors, and the network's tensors in it.

    Raises:
        InputError: there is no such layout, or it cannot hold a size of this network.
    """
    name, size = architecture(network)
    layouts = layouts_of(name)
    if not layouts:
        raise InputError(f"network '{name}': no layout of another project is known for it; use --layout spsr or --onnx")
    layout = layouts[0]
    actual = {key: vars(network).get(key, value) for key, value in size.items()}
    tensors = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    if "taps" in actual and len(actual["taps"]) != 4:
        raise InputError(f"{layout.title}: cannot hold taps {actual['taps']}, which are four there; use --layout spsr")
    state = rename(tensors, Recognised(layout, actual))
    try:
        returned = recognise(state)
    except InputError as error:
        raise InputError(f"{error}; use --layout spsr or --onnx") from error
    for key, value in returned.size.items() if returned else ():
        if value != actual[key]:
            raise InputError(
                f"{layout.title}: cannot hold {key} {actual[key]}, which would be read as {value}; use --layout spsr"
            )
    return layout.title, state


def _check_spandrel(network: nn.Module) -> None:
    name, size = architecture(network)
    if name not in SPANDREL:
        raise InputError(f"network '{name}': spandrel has {' and '.join(SPANDREL)} of this project only; use --onnx")
    for key, value in SPANDREL[name].items():
        if size[key] != value:
            raise InputError(
                f"network '{name}': {key} {size[key]}, but spandrel knows only {value}; use --layout official"
            )
