"""Our training step beside a plain one, with the same networks and data, interleaved in one process.

The plain step is what a straightforward port of the official code does: eager fp32 in NCHW, a forward pass of the
discriminators for every use, and Adam as PyTorch has it by default. It is timed as stock PyTorch runs it (on a GPU
convolutions are then in TF32) and in strict fp32; ours is that of the preset (`--precision`, `--compile` and so on
change it), with one forward pass of each side in a step. Each side runs under flags of its own, and `--steps` steps
between two looks at the device. All are timed in turn, so that a busy machine slows all; the ratios of each round are
what counts. Beside them stand TFLOP/s, their share of what a matrix product reaches, and operators, bytes and kernels
of a step.

    python benchmarks/train_step.py                                # small networks, what a CPU can do
    python benchmarks/train_step.py --configfile configs/paper.yaml --precision bf16 --channels-last   # a GPU
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from roofline import asked_of, attained

from spsr.config import CONFIGS, Compute, Config, load
from spsr.models.device import wait_for
from spsr.planning.rehearsal import rehearse
from spsr.training.capture import CapturedSteps, recorder_for
from spsr.training.ledger import measured_tflops
from spsr.training.method_training import step_samples
from spsr.training.process import set_up
from spsr.training.step_cost import step_flops
from spsr.training.super_resolution import SuperResolutionTask
from spsr.training.task import Task

METHODS = ("spsr_g", "spsr_p", "esrgan")
PLAIN = Compute(deterministic=False)


@dataclass(frozen=True)
class Flags:
    """What PyTorch is told for the whole process: TF32 in convolutions and in matrix products, and cudnn's search."""

    convolutions: bool
    products: bool
    search: bool

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Set inside the block, and as they were after it."""
        cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
        before = cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark
        cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark = self.convolutions, self.products, self.search
        try:
            yield
        finally:
            cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark = before


STOCK = Flags(convolutions=True, products=False, search=False)
STRICT = Flags(convolutions=False, products=False, search=False)


@dataclass(frozen=True)
class Side:
    """One of the steps that are compared, and the flags that it runs under."""

    take: Callable[[int], object]
    flags: Flags

    def seconds(self, first: int, steps: int, device: torch.device) -> float:
        """Seconds of one step, as the mean of some in a row, until the device has done them."""
        with self.flags.raised():
            began = time.perf_counter()
            for step in range(first, first + steps):
                self.take(step)
            wait_for(device)
            return (time.perf_counter() - began) / steps


def with_compute(config: Config, compute: Compute) -> Config:
    """The configuration with other arithmetic."""
    return replace(config, preset=config.preset.model_copy(update={"compute": compute}))


def with_batch(config: Config, batch: int) -> Config:
    """The configuration with so many samples in a step."""
    schedules = {name: each.model_copy(update={"batch": batch}) for name, each in config.preset.schedules.items()}
    return replace(config, preset=config.preset.model_copy(update={"schedules": schedules}))


class StockAdam(torch.optim.Adam):
    """Adam as PyTorch chooses it if nothing is said, in the place of ours."""

    working = staticmethod(nullcontext)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of every group."""
        for group in self.param_groups:
            group["lr"] = learning_rate


def plain_task(config: Config, name: str, device: torch.device) -> SuperResolutionTask:
    """The plain step, with the Adam that PyTorch makes if nothing is said."""
    torch.manual_seed(0)
    task = rehearse(with_compute(config, PLAIN), name, device, share_forward=False)
    task.optimiser = StockAdam(task.model.parameters())
    for adversarial in task.objective.adversarial:
        adversarial.optimiser = StockAdam(adversarial.discriminator.parameters())
    return task


def own_flags(compute: Compute) -> Flags:
    """What `spsr.training.process.set_up` sets for a preset's arithmetic."""
    return Flags(compute.tf32, compute.tf32, search=not compute.deterministic)


def stepping(task: Task, compute: Compute, device: torch.device) -> Callable[[int], object]:
    """What takes the steps of a task: graphs where the arithmetic asks for them and the device has them."""
    recorder = recorder_for(device, 1)
    return task.step if isinstance(recorder, str) or not compute.capture else CapturedSteps(task, recorder, print).take


def compare(
    config: Config, name: str, ours: Compute, device: torch.device, rounds: int, steps: int
) -> dict[str, object]:
    """Seconds of a step of each side and ratios to ours of interleaved rounds, after two to warm up."""
    flops = step_flops(config, name) * step_samples(config, name)
    plain = plain_task(config, name, device)
    torch.manual_seed(0)
    fast = rehearse(with_compute(config, ours), name, device)
    plain.step(0)
    fast.step(0)
    asked = {"plain": asked_of(device, lambda: plain.step(1)), "ours": asked_of(device, lambda: fast.step(1))}
    sides = {"stock": Side(plain.step, STOCK), "strict": Side(plain.step, STRICT)}
    sides["ours"] = Side(stepping(fast, ours, device), own_flags(ours))
    if device.type == "cpu":
        del sides["strict"]  # There is no TF32: the same as stock.
    seconds: dict[str, list[float]] = {kind: [] for kind in sides}
    for turn in range(-2, rounds):
        for kind in sides if turn % 2 else reversed(sides):
            taken = sides[kind].seconds(2 + (turn + 2) * steps, steps, device)
            if turn >= 0:
                seconds[kind].append(taken)
    median = {f"{kind}_s": statistics.median(values) for kind, values in seconds.items()}
    result: dict[str, object] = {"method": name, "batch": step_samples(config, name), "rounds": rounds, "steps": steps}
    for kind in sides.keys() - {"ours"}:
        ratios = sorted(a / b for a, b in zip(seconds[kind], seconds["ours"], strict=True))
        result[f"ratio_to_{kind}"] = statistics.median(ratios)
        result[f"ratio_to_{kind}_quartiles"] = [ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]]
    product = measured_tflops(device, ours.precision, ours.tf32, side=8192 if device.type == "cuda" else 1024)
    roof = attained(median["ours_s"], flops, asked["ours"]["bytes"], product)
    return result | median | roof | {"asked": asked}


def main() -> None:
    """Measure and print one line a method, and JSON with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", type=Path, default=CONFIGS / "quick.yaml")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=1, help="steps between two looks at the device")
    parser.add_argument("--batch", type=int, help="samples of a step, in place of those of the schedule")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--capture", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    config = load(given.configfile)
    config = config if given.batch is None else with_batch(config, given.batch)
    ours = Compute(
        precision=given.precision,
        tf32=given.tf32,
        channels_last=given.channels_last,
        compile=given.compile,
        capture=given.capture,
        deterministic=False,
        threads=given.threads,
    )
    device = set_up(ours, 0)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {given.threads} threads"
    print(f"{where}; torch {torch.__version__}; load {os.getloadavg()[0]:.1f}; {config.path}")
    results = []
    for name in given.methods:
        result = compare(config, name, ours, device, given.rounds, given.steps)
        results.append(result)
        ratios = ", ".join(
            f"{result[key]:.2f}x {key.removeprefix('ratio_to_')}"
            for key in ("ratio_to_stock", "ratio_to_strict")
            if key in result
        )
        print(
            f"{name}: {ratios}; ours {result['ours_s']:.3f} s, {result['tflops']:.4f} TFLOP/s "
            f"({result['share_of_product']:.0%} of a matrix product); {result['asked']['ours']}",
            flush=True,
        )
    if given.json is not None:
        content = {"device": where, "load": os.getloadavg(), "compute": ours.model_dump(), "results": results}
        given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
