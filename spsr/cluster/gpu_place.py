"""Which GPU of this machine a training works on, where no Slurm hands them out."""

import fcntl
import os
import re
import subprocess
import tempfile
import time
from itertools import product
from pathlib import Path

from spsr.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def take_place(runs_per_gpu: int) -> str | None:
    """Wait for a place on a GPU, which `VISIBLE` then has to name; None if there is no GPU.

    The place is given up when this process, or the program that it becomes, ends.

    Args:
        runs_per_gpu: places of each GPU; GPUs fill evenly.
    """
    gpus = _gpus()
    if not gpus:
        return None
    folder = Path(tempfile.gettempdir()) / f"spsr-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        said = False
        while True:
            for number, gpu in product(range(runs_per_gpu), gpus):
                if _take(folder / f"gpu{re.sub(r'[^A-Za-z0-9]', '_', gpu)}.{number}"):
                    return gpu
            if not said:
                print(f"{runs_per_gpu} of the trainings here on each GPU; waiting for a place", flush=True)
                said = True
            time.sleep(1)
    except OSError as error:
        raise InputError(f"{folder}: cannot be used ({error.strerror}); name another folder in TMPDIR") from error


def _gpus() -> list[str]:
    """The GPUs that this process may use, as `VISIBLE` names them."""
    chosen = os.environ.get(VISIBLE)
    if chosen is not None:
        return [gpu.strip() for gpu in chosen.split(",") if gpu.strip() and gpu.strip() != "-1"]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return re.findall(r"^GPU (\d+):", listed, re.MULTILINE)


def _take(place: Path) -> bool:
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    os.set_inheritable(descriptor, True)
    return True
