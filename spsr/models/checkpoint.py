"""Saving a network, and loading a network of this or another project without running any code of the file."""

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spsr.data.hashing import hash_beside, verify
from spsr.errors import InputError, naming
from spsr.models.fit import check_fit
from spsr.models.key_layout import translate
from spsr.models.networks import architecture, build, recognise, sizes, titles
from spsr.models.spandrel_network import load_spandrel
from spsr.models.srresnet_bn import read_keras
from spsr.models.unfilled import Unfilled
from spsr.plugins import is_reference
from spsr.tensors import check_plain, read_safetensors, read_torch, write_safetensors

WRAPPERS = ("params_ema", "params", "state_dict")
HDF5_MAGIC = b"\x89HDF"
EARLIER_SIZES = {"scale": 4, "design": "A", "variant": "pytorch"}
"""Sizes that earlier versions wrote down for networks that have no choice in them, and the only value of each."""

LEAST_BOUND = 64
"""A size up to this is never absurd; some, as a reduction of channels, stand in no tensor's shape."""

log = logging.getLogger(__name__)


def to_checkpoint(model: nn.Module, path: Path | str, **metadata: str) -> None:
    """Write a network that `spsr.models.build` made as safetensors, atomically; one network gives the same bytes.

    Args:
        model: the network; its name and sizes go into the file.
        path: ends in `.safetensors`.
        metadata: more to write into the file's header, as text.
    """
    name, size = architecture(model)
    try:
        described = {"architecture": name, "size": json.dumps(size, sort_keys=True), **metadata}
    except TypeError as error:
        raise InputError(f"network '{name}': its sizes cannot be written down ({error}); use numbers") from error
    write_safetensors(path, {key: tensor.detach().cpu() for key, tensor in model.state_dict().items()}, described)


def from_checkpoint(path: Path | str, scale: int | None = None, code: Collection[str] = ()) -> nn.Module:
    """Load a network, inferring architecture and size from the keys and shapes.

    Known are the safetensors of this project; SPSR (official `spsr.pth`); ESRGAN/RRDB in the old, the new and the
    BasicSR layout; EDSR, RCAN, SRResNet, SFTGAN; SRGAN for Keras (`.h5`); and where `spandrel` is installed, its
    architectures at x4. State dicts may be wrapped in `params_ema`, `params` or `state_dict` (the first of these is
    taken) and have a `module.` prefix. What was found is logged in one line.

    Args:
        path: the file.
        scale: the factor that the network must have; None accepts any.
        code: references to code of one's own (`FILE.py:CLASS` or `MODULE:CLASS`) that a file may name; it is run.

    Returns:
        The network in eval mode, with `architecture` and `size` as from `spsr.models.build`.

    Raises:
        InputError: no such file, truncated, a pickle with code in it, an unknown network, another scale, code that
            the caller does not name, or any key that does not fit.
    """
    path = Path(path)
    network, found = _load(path, code)
    actual = architecture(network)[1].get("scale", 4)
    if scale is not None and actual != scale:
        raise InputError(f"{path}: the network has scale {actual}, but {scale} is needed; choose another checkpoint")
    log.info("%s", found)
    return network


def read_tensor(path: Path) -> Tensor:
    """A single tensor that `torch.save` wrote, without running any code of the file.

    Raises:
        InputError: no such file, truncated, a pickle with code in it, or something else than a tensor.
    """
    with naming(path):
        loaded = read_torch(path)
        if not isinstance(loaded, Tensor):
            raise InputError(f"holds {type(loaded).__name__}, not a tensor; save the tensor alone")
        check_plain("the tensor", loaded)
    return loaded


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of any network, by the file's own keys, without running any code of it.

    Raises:
        InputError: no such file, truncated, or a pickle with code in it.
    """
    with naming(path):
        loaded = read_safetensors(path)[0] if path.suffix == ".safetensors" else read_torch(path)
        return _unwrap(loaded)[0]


def describe(path: Path | str, code: Collection[str] = ()) -> str:
    """One line that says which network a checkpoint holds. Raises as `from_checkpoint` does."""
    return _load(Path(path), code)[1]


def _load(path: Path, code: Collection[str]) -> tuple[nn.Module, str]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; name an existing checkpoint")
    verify(path, hash_beside(path), "make it again by the command that made it, or get it again")
    with naming(path):
        title, network = _read(path, code)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    name, size = architecture(network)
    shown = ", ".join(f"{key} {value}" for key, value in size.items() if value is not None)
    return network.eval(), f"{path}: {title} ({name}: {shown}; {parameters:,} parameters)"


def _read(path: Path, code: Collection[str]) -> tuple[str, nn.Module]:
    """Where a file is from, and its network."""
    with path.open("rb") as stream:
        is_hdf5 = stream.read(4) == HDF5_MAGIC or path.suffix in (".h5", ".hdf5")
    if is_hdf5:
        size, state = read_keras(path)
        return "SRGAN generator for Keras", _built("srresnet_bn", size, state)
    if path.suffix == ".safetensors":
        tensors, metadata = read_safetensors(path)
        if "architecture" in metadata:
            _refuse_code(metadata["architecture"], code)
            state = {key: _float32(key, tensor) for key, tensor in tensors.items()}
            return "of this project", _built(metadata["architecture"], _stored_size(metadata), state)
        tensors, wrapper = _unwrap(tensors)
    else:
        tensors, wrapper = _unwrap(read_torch(path))
    wrapped = f", from '{wrapper}'" if wrapper else ""
    found = recognise(tensors)
    if found is not None:
        network = _built(found.layout.architecture, found.size, translate(tensors, found), found.keys)
        return found.layout.title + wrapped, network
    foreign = load_spandrel(tensors)
    if foreign is None:
        raise InputError(
            f"unknown network (its first keys are {', '.join(list(tensors)[:3])}); known are the files of this "
            f"project, {', '.join(titles())}, and what spandrel reads (pip install 'spsr[spandrel]')"
        )
    return "read by spandrel" + wrapped, foreign


def _refuse_code(name: str, code: Collection[str]) -> None:
    """Nothing is imported because a file names it."""
    if is_reference(name) and name not in code:
        raise InputError(
            f"names code of its own, '{name}', which is not run because a file says so; "
            f"if you trust it, name it in the configuration, or by --trust-code {name}"
        )


def _refuse_absurd(size: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """No network has more channels than its widest tensor, or more blocks than tensors: refuse before building it."""
    most = max(LEAST_BOUND, len(state), *(max(tensor.shape, default=0) for tensor in state.values()))
    for key, value in size.items():
        if isinstance(value, int) and value > most:
            raise InputError(f"size {key}={value} is more than its tensors can have; get the file again")


def _built(
    name: str, size: Mapping[str, Any], state: Mapping[str, Tensor], names: Mapping[str, str] | None = None
) -> nn.Module:
    """The network with the tensors `state`, under its own keys; `names` are the file's, for messages."""
    if is_reference(name):
        with torch.random.fork_rng(devices=[]):
            network = build(name, **size)
        check_fit(network, state, names)
    else:
        _refuse_absurd(size, state)
        with torch.device("meta"), Unfilled():
            check_fit(build(name, **size), state, names)
        with Unfilled():
            network = build(name, **size)
    network.load_state_dict(state, assign=True)
    return network


def _stored_size(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        size = json.loads(metadata["size"])
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError("the header names an architecture but no readable `size`; save the network again") from error
    if not isinstance(size, dict):
        raise InputError("the `size` in the header is not a mapping; save the network again")
    accepted = sizes(metadata["architecture"])
    for key in EARLIER_SIZES.keys() & size.keys() - set(accepted):
        if size[key] != EARLIER_SIZES[key]:
            raise InputError(
                f"the header says {key} {size[key]}, but this network has {key} {EARLIER_SIZES[key]} only; "
                "choose another checkpoint"
            )
        del size[key]
    return size


def _unwrap(loaded: Any) -> tuple[dict[str, Tensor], str | None]:
    """The plain state dict, and the name of the wrapper it was in."""
    wrapper = None
    if isinstance(loaded, Mapping):
        wrapper = next((name for name in WRAPPERS if isinstance(loaded.get(name), Mapping)), None)
        loaded = loaded[wrapper] if wrapper else loaded
    if not isinstance(loaded, Mapping) or not loaded:
        raise InputError(f"holds {type(loaded).__name__}, not a state dict of tensors; save `model.state_dict()`")
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise InputError(f"entry '{key}' is {type(value).__name__}, not a tensor; save `model.state_dict()`")
    prefix = "module." if all(key.startswith("module.") for key in loaded) else ""
    return {key.removeprefix(prefix): _float32(key, value) for key, value in loaded.items()}, wrapper


def _float32(key: str, tensor: Tensor) -> Tensor:
    check_plain(key, tensor)
    return tensor.float() if tensor.is_floating_point() else tensor
