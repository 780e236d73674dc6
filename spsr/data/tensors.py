"""Writing safetensors files whose bytes depend on nothing but their content."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save

from spsr.files import atomic_path


def to_bytes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file; the library writes the metadata in a random order, here it is sorted."""
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata=dict(metadata))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def write(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write `tensors` atomically to `path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_bytes(tensors, metadata))
