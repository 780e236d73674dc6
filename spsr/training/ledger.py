"""What a run costs: rates, share of the device's peak, waiting for data, and memory.

These numbers differ from one execution to the next, so they are kept in `ledger.jsonl`, apart from `events.jsonl`,
whose bytes depend on the configuration alone. A resumed run appends to its ledger.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch

from spsr.models.device import device_name, peak_memory_mb, wait_for
from spsr.training import distributed

# Dense tensor-core peaks in TFLOP/s from the vendor's data sheets, by part of the device's name: (fp32, tf32, bf16).
PEAKS = {
    "H200": (67.0, 494.7, 989.4),
    "H100 PCIe": (51.0, 378.0, 756.0),
    "H100": (67.0, 494.7, 989.4),
    "A100": (19.5, 156.0, 312.0),
    "L40S": (91.6, 183.2, 362.1),
    "RTX 4090": (82.6, 82.6, 165.2),
    "RTX 3090": (35.6, 35.6, 71.2),
    "V100": (15.7, 15.7, 15.7),
    "1080 Ti": (11.3, 11.3, 11.3),
}


class Stopwatch:
    """Adds up the seconds spent inside its `with` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began


DATA_WAIT = Stopwatch()
"""Seconds in which this process prepared batches and could not issue work."""


def peak_tflops(device: torch.device, precision: str, tf32: bool) -> float | None:
    """The device's peak in the arithmetic that is used, if its name is known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    column = 2 if precision == "bf16" else int(tf32)
    return next((peaks[column] for part, peaks in PEAKS.items() if part in name), None)


def measured_tflops(device: torch.device, precision: str, tf32: bool, side: int = 8192) -> float:
    """What the device reaches in a matrix product of `side` in the arithmetic of a preset: the best of five.

    Half a second on a GPU of today; the flags that are set by `spsr.training.process.set_up` are left as they were.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, tf32
    try:
        left, right = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(2))
        seconds = []
        for _ in range(6):
            began = time.perf_counter()
            left @ right
            wait_for(device)
            seconds.append(time.perf_counter() - began)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * side**3 / min(seconds[1:]) / 1e12


class Ledger:
    """Measures the time between two readings of a run's losses (each has waited for the device).

    Args:
        path: `ledger.jsonl`; none on processes that do not write.
        samples: in a step, over all processes.
        device: of the run.
        peak: TFLOP/s of one device by its data sheet, if known.
        measured: TFLOP/s that one device reaches in a matrix product, if measured.
    """

    def __init__(
        self,
        path: Path | None,
        samples: int,
        device: torch.device,
        peak: float | None = None,
        measured: float | None = None,
    ) -> None:
        self._path, self._samples, self._device = path, samples, device
        self._peaks = {"share_of_peak": peak, "share_of_measured_peak": measured}
        self._mark(0)

    def _mark(self, step: int) -> None:
        self._step, self._time, self._waited = step, time.perf_counter(), DATA_WAIT.seconds
        self._flops: int | None = 0

    def took_step(self, flops: int | None) -> None:
        """Note a step and its floating-point operations over all processes, if they are counted."""
        self._flops = None if flops is None or self._flops is None else self._flops + flops

    def _append(self, entry: dict[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")

    def begin(self, step: int, versions: dict[str, str]) -> None:
        """Note that an execution begins after `step` steps, and on what."""
        name = device_name(self._device)
        self._append(
            {
                "began_at_step": step,
                "time": time.time(),
                "device": name,
                "processes": distributed.world(),
                "threads": torch.get_num_threads(),
                "versions": versions,
                "peak_tflops": self._peaks["share_of_peak"],
                "measured_peak_tflops": self._peaks["share_of_measured_peak"],
            }
        )
        self._mark(step)

    def validated(self, step: int, seconds: float, measured: dict[str, float]) -> None:
        """Append what a validation found and took; its time is in no rate."""
        self._append({"step": step, "time": time.time(), "seconds": seconds, "validation": measured})
        self._time += seconds

    def saved(self, step: int, seconds: float) -> None:
        """Append what a checkpoint took; its time is in no rate."""
        self._append({"step": step, "time": time.time(), "seconds": seconds, "checkpoint": True})
        self._time += seconds

    def read(self, step: int) -> str:
        """Append the rates since the last reading; the same as text for the log line."""
        seconds = max(time.perf_counter() - self._time, 1e-9)
        rate = (step - self._step) / seconds
        entry: dict[str, Any] = {
            "step": step,
            "time": time.time(),
            "seconds": seconds,
            "iterations_per_s": rate,
            "samples_per_s": rate * self._samples,
            "data_wait": (DATA_WAIT.seconds - self._waited) / seconds,
            "peak_memory_mb": peak_memory_mb(self._device),
        }
        text = f"{rate:.3g} it/s, {entry['samples_per_s']:.3g} samples/s"
        if self._flops is not None:
            entry["tflops"] = self._flops / seconds / 1e12
            text += f", {entry['tflops']:.3g} TFLOP/s"
            for share, peak in self._peaks.items():
                if peak is not None:
                    entry[share] = entry["tflops"] / (peak * distributed.world())
                    text += f" ({entry[share]:.0%} {share.removeprefix('share_').replace('_', ' ')})"
        self._append(entry)
        self._mark(step)
        return f"{text}, data wait {entry['data_wait']:.1%}, {entry['peak_memory_mb']:.0f} MB"
