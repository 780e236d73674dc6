"""How other projects name the tensors of a network, as data that can be read in both directions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from spsr.errors import InputError

State = Mapping[str, Tensor]
Size = Mapping[str, Any]


@dataclass(frozen=True)
class KeyLayout:
    """One way of naming the tensors of one network.

    Attributes:
        title: of the layout, for people.
        architecture: the network's name.
        markers: keys that tell the layout; where those of two are there, the one with more of them is meant.
        size: the size that `spsr.models.build` needs, from keys and shapes.
        layers: by that size, our layer's name to theirs, both without `.weight` and `.bias`.
        copies: a layer that is stored a second time under another name, to the name that we read.
        constants: keys that may be there and must hold these fixed values.
    """

    title: str
    architecture: str
    markers: tuple[str, ...]
    size: Callable[[State], dict[str, Any]]
    layers: Callable[[Size], dict[str, str]]
    copies: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Recognised:
    """A layout with the size of one network in it."""

    layout: KeyLayout
    size: dict[str, Any]

    @property
    def keys(self) -> dict[str, str]:
        """Our state dict key to theirs."""
        return _with_parts(self.layout.layers(self.size))


def translate(state: State, recognised: Recognised) -> dict[str, Tensor]:
    """Rename every tensor of `state` to our keys.

    Raises:
        InputError: a key is missing or left over, a copy differs from its original, or a constant from its value.
    """
    keys, layout = recognised.keys, recognised.layout
    copies = _with_parts(layout.copies)
    expected = set(keys.values()) | set(copies)
    unexpected = [key for key in state if key not in expected and key not in layout.constants]
    missing = [key for key in sorted(expected) if key not in state]
    if missing:
        raise InputError(f"{layout.title}: {_some(missing)} missing; the file is not complete")
    if unexpected:
        raise InputError(f"{layout.title}: {_some(unexpected)} does not belong to this network; take it out")
    for copy, original in copies.items():
        if not torch.equal(state[copy], state[original]):
            raise InputError(f"{layout.title}: '{copy}' and '{original}' are one tensor there, but differ here")
    for key, value in layout.constants.items():
        if key in state and not (state[key].shape == value.shape and torch.allclose(state[key], value, rtol=1e-4)):
            raise InputError(f"{layout.title}: '{key}' is not the fixed value of this network; it is another network")
    return {ours: state[theirs] for ours, theirs in keys.items()}


def rename(state: State, recognised: Recognised) -> dict[str, Tensor]:
    """Rename every tensor of `state`, a network's own state dict, to a layout's keys, as `translate` takes it back."""
    theirs = {key: state[ours] for ours, key in recognised.keys.items()}
    copies = {copy: theirs[original].clone() for copy, original in _with_parts(recognised.layout.copies).items()}
    constants = {key: value.clone() for key, value in recognised.layout.constants.items()}
    return theirs | copies | constants


def _with_parts(layers: Mapping[str, str]) -> dict[str, str]:
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in layers.items() for part in ("weight", "bias")}


def _some(keys: list[str]) -> str:
    return f"'{keys[0]}'" + (f" (and {len(keys) - 1} more)" if len(keys) > 1 else "")


def count(state: State, pattern: str) -> int:
    """How many numbers, from 0 on, the group in `pattern` takes among the keys; InputError if more than there are."""
    numbers = {int(found[1][:9]) for key in state if (found := re.match(pattern, key))}
    if numbers and max(numbers) >= len(state):
        raise InputError(f"a key with the number {max(numbers)}, but only {len(state)} tensors; it is not complete")
    return max(numbers, default=-1) + 1


def channels(state: State, key: str, axis: int = 0) -> int:
    """The channels of a tensor along `axis`; InputError if it is not there."""
    if key not in state or state[key].ndim <= axis:
        raise InputError(f"'{key}' is missing or has no channels; the file is not complete")
    return state[key].shape[axis]


def check_x4(state: State, network: str, features: int, first: str, second: str) -> None:
    """InputError unless two layers, `first` and `second`, make `features` channels four times as many for a shuffle."""
    if channels(state, first) != 4 * features or second not in state or channels(state, second) != 4 * features:
        raise InputError(f"{network} of another scale than 4 ('{first}', '{second}'); only x4 is known here")
