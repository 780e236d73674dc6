"""Sections of the measurement on a GPU: training steps, alone and together, and whether they are the same bytes."""

import gc
import io
import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import torch
from gpu_bench import BEST, VARIANTS, Bench, Row, paced
from roofline import asked_of, attained
from train_step import compare, stepping, with_compute

from spsr.config import CONFIGS, Compute, Config, load
from spsr.models.device import peak_memory_mb, reset_peak_memory, wait_for
from spsr.planning.rehearsal import noise, rehearse
from spsr.training.capture import recorder_for
from spsr.training.extraction.pretrain import extractor_task
from spsr.training.ledger import measured_tflops
from spsr.training.method_training import step_samples
from spsr.training.process import set_up
from spsr.training.seeding import seed_step
from spsr.training.step_cost import step_flops
from spsr.training.task import Task


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
