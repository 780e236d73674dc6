"""What is measured on a GPU: each section gives rows, of which all that came before an error are kept."""

import gc
import io
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from roofline import asked_of, attained
from safetensors.torch import save_file
from torch import nn
from train_step import compare, stepping, with_compute

from spsr.config import CONFIGS, Compute, Config, load
from spsr.evaluation.upscale import upscale_image
from spsr.images import RGB
from spsr.metrics.lpips import Lpips
from spsr.models import build
from spsr.models.device import device_name, peak_memory_mb, reset_peak_memory, wait_for
from spsr.planning.rehearsal import noise, rehearse
from spsr.training.capture import recorder_for
from spsr.training.extraction.pretrain import extractor_task
from spsr.training.ledger import measured_tflops
from spsr.training.method_training import step_samples
from spsr.training.process import set_up
from spsr.training.seeding import seed_step
from spsr.training.step_cost import step_flops
from spsr.training.task import Task

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


@dataclass(frozen=True)
class Section:
    """Rows of one kind.

    Attributes:
        share: of the time, relative to that of the others.
        measure: gives them.
    """

    share: float
    measure: Callable[[Bench], Iterator[Row]]


def task_of(config: Config, name: str, device: torch.device) -> Task:
    """The training of a method or extractor with networks that a fixed seed makes, on images of noise."""
    torch.manual_seed(0)
    if name not in config.extractors:
        return rehearse(config, name, device)
    extractor = config.extractor(name)
    schedule = config.schedule(str(extractor.task))
    tiling = config.preset.data.tiling
    pack = noise(2 * max(schedule.patch, tiling.size if tiling else 0))
    return extractor_task(config, extractor, schedule, pack, 0, device)


def flops_of(config: Config, name: str) -> int:
    """Of one step over the whole batch."""
    if name in config.extractors:
        return step_flops(config, name) * config.schedule(str(config.extractor(name).task)).batch
    return step_flops(config, name) * step_samples(config, name)


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


def describe(bench: Bench) -> Iterator[Row]:
    """The device."""
    device = set_up(FP32, 0)
    if device.type != "cuda":
        yield {"gpu": False, "name": "cpu"}
        return
    free, total = torch.cuda.mem_get_info(device)
    capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
    memory = {"memory_gib": total / 2**30, "free_gib": free / 2**30}
    libraries = {"capability": capability, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    yield {"gpu": True, "name": device_name(device)} | memory | libraries


def ceilings(bench: Bench) -> Iterator[Row]:
    """TFLOP/s of a matrix product in each arithmetic, and GB/s of a copy."""
    device = set_up(FP32, 0)
    for name in ("fp32", "tf32", "bf16"):
        compute = VARIANTS[name]
        reached = measured_tflops(device, compute.precision, compute.tf32, bench.product_side)
        yield {"what": f"product {name}", "tflops": reached}
    source = torch.ones(2**20 if bench.small else 2**30, device=device)
    target = torch.empty_like(source)
    seconds = paced(bench, lambda _: target.copy_(source), device)
    yield {"what": "copy", "gb_per_s": 2 * source.numel() * source.element_size() / seconds / 1e9}


def correctness(bench: Bench) -> Iterator[Row]:
    """Weights in deterministic mode: taken again, with graphs, and with graphs from a state that was saved half-way."""
    steps = 4 if bench.small else 12
    for name in ("spsr_g", "nse_p_h"):
        for kind in ("bf16 nhwc",) if bench.small else ("fp32", "bf16 nhwc"):
            compute = VARIANTS[kind].model_copy(update={"deterministic": True, "capture": True})
            device, config = set_up(compute, 0), with_compute(load(CONFIGS / "quick.yaml"), compute)
            row = {"task": name, "arithmetic": kind}
            eager, again = (task_of(config, name, device) for _ in range(2))
            expected = _after(eager, eager.step, range(steps))
            yield row | {"what": "again", "equal": _equal(expected, _after(again, again.step, range(steps)))}
            if isinstance(reason := recorder_for(device, 1), str):
                yield row | {"what": "graph", "equal": reason}
            else:
                captured = task_of(config, name, device)
                found = _after(captured, stepping(captured, compute, device), range(steps))
                yield row | {"what": "graph", "equal": _equal(expected, found)}
            first, second = (task_of(config, name, device) for _ in range(2))
            _after(first, stepping(first, compute, device), range(steps // 2))
            saved = io.BytesIO()
            torch.save(first.state_dict(), saved)
            saved.seek(0)
            second.load_state_dict(torch.load(saved, map_location=device, weights_only=True))
            found = _after(second, stepping(second, compute, device), range(steps // 2, steps))
            yield row | {"what": "resumed", "equal": _equal(expected, found)}


def _after(task: Task, take: Callable[[int], object], steps: range) -> dict[str, torch.Tensor]:
    for step in steps:
        seed_step(0, step)
        take(step)
    return {name: value.detach().cpu().clone() for name, value in task.model.state_dict().items()}


def _equal(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> bool | str:
    largest = max(float((value.double() - found[name].double()).abs().max()) for name, value in expected.items())
    same = all(torch.equal(value, found[name]) for name, value in expected.items())
    return True if same else f"differs by up to {largest:.1e}"


def against_plain(bench: Bench) -> Iterator[Row]:
    """Our best step beside the plain one, as `train_step.py` has it."""
    for name in ("spsr_g",) if bench.small else ("spsr_g", "esrgan"):
        device, rounds = set_up(BEST, 0), 1 if bench.small else 5
        result = compare(bench.config, name, BEST, device, rounds=rounds, steps=rounds)
        asked = result.pop("asked")
        assert isinstance(asked, dict)
        yield {key: value for key, value in result.items() if not key.endswith("quartiles")} | {
            f"{side}_{what}": amount for side, numbers in asked.items() for what, amount in numbers.items()
        }


def measured_step(bench: Bench, name: str, compute: Compute) -> Row:
    """Time, rate, memory and kernels of the steps of a training."""
    device, config = set_up(compute, 0), with_compute(bench.config, compute)
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    reset_peak_memory(device)
    task = task_of(config, name, device)
    seconds = paced(bench, stepping(task, compute, device), device)
    asked = {} if compute.compile else asked_of(device, lambda: task.step(0))
    product = measured_tflops(device, compute.precision, compute.tf32, bench.product_side)
    roof = attained(seconds, flops_of(config, name), asked.get("bytes", 0), product)
    return {"ms": 1000 * seconds} | roof | asked | {"memory_mb": peak_memory_mb(device)}


def steps(bench: Bench) -> Iterator[Row]:
    """Every training in every arithmetic."""
    for name in bench.tasks:
        for kind, compute in bench.variants.items():
            try:
                measured = measured_step(bench, name, compute)
            except Exception as error:  # the others are worth having
                measured = {"failed": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
            yield {"task": name, "arithmetic": kind} | measured


def compiled(bench: Bench) -> Iterator[Row]:
    """SPSR-G with torch.compile, whose first step takes long."""
    if bench.small:
        yield {"left out": "it takes longer than all the rest"}
        return
    compute = VARIANTS["bf16 nhwc"].model_copy(update={"compile": True})
    yield {"task": "spsr_g", "arithmetic": "bf16 nhwc compile"} | measured_step(bench, "spsr_g", compute)


def together(bench: Bench) -> Iterator[Row]:
    """One, two and three SPSR-G at once on one GPU."""
    fork = multiprocessing.get_context("fork")
    for runs in (1, 2) if bench.small else (1, 2, 3):
        ready, results = fork.Barrier(runs), fork.Queue()
        processes = [fork.Process(target=_one_of, args=(bench, ready, results)) for _ in range(runs)]
        for process in processes:
            process.start()
        seconds = [results.get(timeout=120) for _ in range(runs)]
        for process in processes:
            process.join()
        ms = [round(1000 * each, 2) for each in seconds]
        yield {"runs": runs, "ms": ms, "steps_per_s": sum(1 / each for each in seconds)}


def _one_of(bench: Bench, ready: Any, results: Any) -> None:
    device = set_up(BEST, 0)
    task = task_of(with_compute(bench.config, BEST), "spsr_g", device)
    take = stepping(task, BEST, device)
    for step in range(bench.warmup):
        take(step)
    wait_for(device)
    ready.wait(100)
    results.put(paced(bench, take, device))


def upscaling(bench: Bench) -> Iterator[Row]:
    """Megapixels of SR image a second, from the LR image to uint8."""
    device, config = set_up(FP32, 0), bench.config
    random = np.random.default_rng(0)
    for name in ("spsr_g",) if bench.small else ("spsr_g", "esrgan", "edsr_p", "srgan"):
        generator = config.method(name).generator
        assert generator is not None
        network = build(generator.name, **config.generator_size(name)).to(device).eval()
        for side in (32,) if bench.small else (128, 510):
            image = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
            seconds = paced(bench, partial(_upscaled, network, image), device)
            yield {
                "network": generator.name,
                "lr": side,
                "ms": 1000 * seconds,
                "mp_per_s": 16 * side**2 / seconds / 1e6,
            }


def _upscaled(network: nn.Module, image: RGB, _: int) -> RGB:
    return upscale_image(network, image)


def lpips(bench: Bench) -> Iterator[Row]:
    """Pairs of images that LPIPS compares a second, on an AlexNet with random weights."""
    set_up(FP32, 0)
    sizes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "alexnet.safetensors"
        state = {f"features.{i}.weight": torch.randn(o, n, k, k) / 50 for i, (o, n, k) in sizes.items()}
        save_file(state | {f"features.{i}.bias": torch.zeros(o) for i, (o, _, _) in sizes.items()}, file)
        distance = Lpips("alex", file)
    random = np.random.default_rng(0)
    for side in (64,) if bench.small else (512, 2040):
        pair = [random.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(2)]
        seconds = paced(bench, partial(_compared, distance, pair), torch.device("cpu"))
        yield {"side": side, "ms": 1000 * seconds, "mp_per_s": side**2 / seconds / 1e6}


def _compared(distance: Lpips, pair: list[RGB], _: int) -> float:
    return distance(*pair)


SECTIONS = {
    "device": Section(0, describe),
    "ceilings": Section(20, ceilings),
    "correctness": Section(60, correctness),
    "steps": Section(190, steps),
    "against_plain": Section(80, against_plain),
    "together": Section(70, together),
    "upscaling": Section(30, upscaling),
    "lpips": Section(20, lpips),
    "compiled": Section(60, compiled),
}
