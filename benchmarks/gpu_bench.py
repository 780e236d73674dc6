"""What the sections of the measurement on a GPU share: how much is measured, in which arithmetic, and the clock."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from spsr.config import CONFIGS, Compute, Config, load
from spsr.models.device import wait_for

Row = dict[str, Any]
TASKS = ("spsr_g", "spsr_p", "esrgan", "edsr_p", "nse_p_h")
FP32 = Compute(deterministic=False)
VARIANTS = {
    "fp32": FP32,
    "tf32": FP32.model_copy(update={"tf32": True}),
    "bf16": FP32.model_copy(update={"precision": "bf16"}),
    "bf16 nhwc": FP32.model_copy(update={"precision": "bf16", "channels_last": True}),
    "bf16 nhwc graph": FP32.model_copy(update={"precision": "bf16", "channels_last": True, "capture": True}),
}
BEST = VARIANTS["bf16 nhwc graph"]


@dataclass(frozen=True)
class Bench:
    """How much is measured: all at the paper's size, or little of small networks."""

    small: bool

    @property
    def config(self) -> Config:
        """The preset whose steps are taken."""
        return load(CONFIGS / ("quick.yaml" if self.small else "paper.yaml"))

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("spsr_g", "nse_p_h") if self.small else TASKS

    @property
    def variants(self) -> dict[str, Compute]:
        return {name: VARIANTS[name] for name in ("fp32", "bf16 nhwc graph")} if self.small else VARIANTS

    @property
    def window(self) -> float:
        """Seconds between two looks at the device."""
        return 0.1 if self.small else 1.5

    @property
    def warmup(self) -> int:
        """Steps before those that are timed: libraries choose their kernels in them, and graphs are recorded."""
        return 1 if self.small else 8

    @property
    def product_side(self) -> int:
        return 256 if self.small else 8192


def paced(bench: Bench, take: Callable[[int], object], device: torch.device) -> float:
    """Median seconds of a step over three windows, in each of which the device is looked at once; after a warm-up."""

    def mean(first: int, count: int) -> float:
        began = time.perf_counter()
        for step in range(first, first + count):
            take(step)
        wait_for(device)
        return (time.perf_counter() - began) / count

    mean(0, bench.warmup)
    count = max(1, round(bench.window / mean(bench.warmup, 1)))
    return statistics.median(mean(bench.warmup + 1 + number * count, count) for number in range(3))
