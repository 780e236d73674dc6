"""Which device is worked on, and what it is asked: whether it has finished, and the memory that it needed."""

import resource
import sys
from pathlib import Path

import torch

from spsr.errors import InputError

_STATUS = Path("/proc/self/status")
"""Linux's own account of this process. `getrusage` counts also what the process that started this one held."""


def chosen(name: str | None = None, index: int = 0) -> torch.device:
    """The device of this name, by default a GPU where there is one.

    Args:
        name: `cpu`, `cuda` or `cuda:N`.
        index: which GPU is meant where the name does not say it.

    Raises:
        InputError: there is no such GPU.
    """
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name is None and not there):
        return torch.device("cpu")
    device = torch.device(name or "cuda")
    device = torch.device("cuda", index if device.index is None else device.index)
    if device.index >= there:
        counted = f"{there} GPU{'s' * (there > 1)}, from cuda:0 on" if there else "no GPU"
        raise InputError(f"device {device}: there is none here; this machine has {counted}")
    return device


def device_name(device: torch.device) -> str:
    """The name of a GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def wait_for(device: torch.device) -> None:
    """Until the device has done all that it was asked for; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory so far: of the device's allocator, or of the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if _STATUS.is_file():
        (line,) = (line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 2**10 if sys.platform != "darwin" else kilobytes / 2**20


def reset_peak_memory(device: torch.device) -> None:
    """Let the largest memory be that of now, where the system can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif (clear := Path("/proc/self/clear_refs")).is_file():
        clear.write_text("5", encoding="ascii")
