"""What a network costs to use, measured in a process of its own: `python -m spsr.models.inference_cost SUBJECT`."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from spsr.errors import RunFailed
from spsr.images import SCALE
from spsr.models.checkpoint import from_checkpoint
from spsr.models.device import chosen, device_name, peak_memory_mb, reset_peak_memory, wait_for
from spsr.models.inference import inferring, placed, super_resolve, to_input
from spsr.models.networks import build
from spsr.plugins import exits_seen
from spsr.resize import imresize, to_uint8

SIDE = 256
"""Of the LR image, as in the efficiency challenge of NTIRE."""

PASSES, LONG_ENOUGH = 5, 10.0
"""At most so many passes are timed, after one that counts and warms up, and none more after so many seconds."""

BICUBIC = "bicubic"


@dataclass(frozen=True)
class NetworkCost:
    """What super-resolving an LR image of 256×256 takes, whole, in fp32.

    Attributes:
        parameters: their number.
        flops: 2 per multiply-add of convolutions, linear layers and attention, and of nothing else.
        seconds: of a pass, the median of a few.
        peak_memory_mb: of the weights and of the first pass.
        device: a GPU's name, or `cpu` and the number of its threads.
    """

    parameters: int
    flops: int
    seconds: float
    peak_memory_mb: float
    device: str


def cost_of(subject: dict[str, Any], threads: int) -> NetworkCost:
    """Measure in a fresh process.

    Args:
        subject: `architecture` and `size` of a network with random weights, or `file` and `code` of a checkpoint.
        threads: of a CPU.

    Raises:
        RunFailed: the process failed, as where memory does not suffice.
    """
    command = [sys.executable, "-m", "spsr.models.inference_cost", json.dumps(subject | {"threads": threads})]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        said = (process.stderr.strip().splitlines() or [f"it ended with code {process.returncode}"])[-1]
        raise RunFailed(f"{subject.get('file', subject.get('architecture'))}: cannot be measured: {said}")
    return NetworkCost(**json.loads(process.stdout.splitlines()[-1]))


def _measure(subject: dict[str, Any]) -> NetworkCost:
    torch.set_num_threads(subject["threads"])
    device = chosen()
    image = torch.randint(256, (SIDE, SIDE, 3), dtype=torch.uint8).numpy()
    network: nn.Module = nn.Identity()
    if subject.get("architecture") == BICUBIC:
        device = torch.device("cpu")
        run = lambda: to_uint8(imresize(image, SCALE))  # noqa: E731
    else:
        network = placed(_network(subject), device)
        run = lambda: super_resolve(network, to_input(image, network))  # noqa: E731
    parameters = list(network.parameters())
    weights = sum(each.numel() * each.element_size() for each in parameters) / 2**20
    with inferring(network):
        reset_peak_memory(device)
        before = peak_memory_mb(device)
        with FlopCounterMode(display=False) as counter:
            run()
        memory = weights + peak_memory_mb(device) - before
        seconds: list[float] = []
        while len(seconds) < PASSES and sum(seconds) < LONG_ENOUGH:
            wait_for(device)
            began = perf_counter()
            run()
            seconds.append(perf_counter() - began)
    name = device_name(device) + (f", threads: {torch.get_num_threads()}" if device.type == "cpu" else "")
    count = sum(each.numel() for each in parameters)
    return NetworkCost(count, counter.get_total_flops(), median(seconds), memory, name)


def _network(subject: dict[str, Any]) -> nn.Module:
    if "file" in subject:
        return from_checkpoint(Path(subject["file"]), scale=SCALE, code=subject["code"])
    network = build(subject["architecture"], **subject["size"])
    if hasattr(network, "maps"):
        vars(network)["maps"] = "colour"  # SFTGAN, without the other network that may make its maps
    return network.eval()


if __name__ == "__main__":
    with exits_seen():
        print(json.dumps(asdict(_measure(json.loads(sys.argv[1])))))
