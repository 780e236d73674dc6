"""What a preset will cost before anything is launched: runs, FLOPs, memory, disk, and the time on N devices."""

import heapq
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from spsr.config import Config
from spsr.config.settings import NATURALNESS
from spsr.data.inputs import training_inputs
from spsr.models import build
from spsr.models.cost import forward_backward_flops
from spsr.training import cost
from spsr.training.memory import counting_saved_tensors
from spsr.training.method import step_samples

Key = tuple[str, int]
FP32 = 4
ADAM = 4 * FP32
"""Bytes of a trained parameter with its gradient and Adam's two moments."""


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        name, seed: of the method or extractor.
        flops: of the whole training (convolutions and linear layers, forward and backward).
        memory: bytes of parameters, optimiser states and what autograd keeps, in fp32.
        disk: bytes that stay when it is finished.
        checkpoints: bytes of its checkpoints while it runs.
        needs: the trainings whose weights it starts from or looks through.
        tables: the tables that show it, itself or through a method that needs it.
    """

    name: str
    seed: int
    flops: int
    memory: int
    disk: int
    checkpoints: int
    needs: tuple[Key, ...] = ()
    tables: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Name and seed."""
        return self.name, self.seed


@dataclass(frozen=True)
class Slot:
    """When and where a job runs, in hours from the start."""

    job: Job
    device: int
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """All jobs on N devices: the slots, and the chain of jobs that no number of devices can shorten."""

    slots: tuple[Slot, ...]
    critical: tuple[Key, ...]

    @property
    def hours(self) -> float:
        """From the first start to the last end."""
        return max((slot.end for slot in self.slots), default=0.0)


def list_jobs(config: Config, methods: Iterable[str], extractors: Iterable[str]) -> list[Job]:
    """One job for each training of `methods`, of `extractors` and of their judge, those that others need first.

    Args:
        methods: names of methods that are trained here.
        extractors: names of extractors that are made here; one without a task costs nothing and is left out.
    """
    methods = list(methods)
    trained = [name for name in extractors if config.extractor(name).task is not None]
    if any(config.method(name).needs_naturalness for name in methods):
        trained.append(NATURALNESS)
    counted: dict[str, tuple[int, int, int, int]] = {}
    jobs = []
    for name in [*trained, *methods]:
        described = _shape(config, name)
        if described not in counted:
            counted[described] = _extractor_cost(config, name) if name in trained else _method_cost(config, name)
        flops, memory, disk, checkpoints = counted[described]
        needed = training_inputs(config, name)
        needs = tuple((n.run, n.seed) for n in needed if n.run is not None and n.run in (*trained, *methods))
        jobs += [Job(name, seed, flops, memory, disk, checkpoints, needs) for seed in config.seeds(name)]
    shown: dict[Key, set[str]] = {job.key: set() for job in jobs}
    for table in config.preset.tables:
        for key in _closure(jobs, config.table(table).methods):
            shown[key].add(table)
    order = {table: position for position, table in enumerate(config.preset.tables)}
    return [replace(job, tables=tuple(sorted(shown[job.key], key=order.__getitem__))) for job in jobs]


def _shape(config: Config, name: str) -> str:
    """Methods of equal shape cost the same: weights of terms change nothing but whether they are zero."""
    if name == NATURALNESS:
        return name
    if name in config.extractors:
        extractor = config.extractor(name)
        return json.dumps([extractor.network, extractor.task])
    method = config.method(name)
    network = config.extractor(method.extractor).network if method.extractor else None
    terms = [term.name for term in method.losses.terms()]
    generator = method.generator.name if method.generator else None
    size = config.generator_size(name)
    return json.dumps([generator, size, terms, network, method.discriminator, method.schedule])


def _method_cost(config: Config, name: str) -> tuple[int, int, int, int]:
    with counting_saved_tensors() as saved:
        counted = cost.training_cost(config, name)
    schedule = config.schedule(config.method(name).schedule)
    samples = step_samples(config, name)
    parameters = counted.generator + counted.discriminators
    kept = saved.peak * schedule.batch
    disk = counted.generator * FP32
    return (
        counted.flops * samples * schedule.iterations,
        parameters * ADAM + kept,
        2 * disk,
        2 * 3 * parameters * FP32,
    )


def _extractor_cost(config: Config, name: str) -> tuple[int, int, int, int]:
    with torch.device("meta"):
        if name == NATURALNESS:
            schedule, network = config.schedule("naturalness"), build(NATURALNESS, **config.size(NATURALNESS))
        else:
            extractor = config.extractor(name)
            schedule, network = config.schedule(str(extractor.task)), build(extractor.network)
    shape = (1, 3, schedule.patch, schedule.patch)
    with counting_saved_tensors() as saved:
        flops = forward_backward_flops(network, shape)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return (
        flops * schedule.batch * schedule.iterations,
        parameters * ADAM + saved.peak * schedule.batch,
        2 * parameters * FP32,
        2 * 3 * parameters * FP32,
    )


def _closure(jobs: Sequence[Job], names: Iterable[str]) -> set[Key]:
    """The jobs of `names`, and all that they need."""
    by_key = {job.key: job for job in jobs}
    wanted = set(names)
    pending = [job.key for job in jobs if job.name in wanted]
    found: set[Key] = set()
    while pending:
        key = pending.pop()
        if key not in found:
            found.add(key)
            pending += by_key[key].needs
    return found


def of_table(jobs: Sequence[Job], table: str) -> list[Job]:
    """The jobs that one table alone takes."""
    return [job for job in jobs if table in job.tables]


def hours(flops: float, tflops: float) -> float:
    """Device-hours at a sustained rate."""
    return flops / (tflops * 1e12) / 3600


def schedule_jobs(jobs: Sequence[Job], devices: int, tflops: float) -> Timeline:
    """List scheduling: a free device takes, of the jobs whose needs are met, the one with the longest way to go.

    Args:
        jobs: in any order; needs outside of them count as met.
        devices: number of devices, one job on each at a time.
        tflops: what a device sustains.
    """
    by_key = {job.key: job for job in jobs}
    followers: dict[Key, list[Key]] = {key: [] for key in by_key}
    waiting = {}
    for job in jobs:
        needs = [need for need in job.needs if need in by_key]
        waiting[job.key] = len(needs)
        for need in needs:
            followers[need].append(job.key)
    ahead: dict[Key, float] = {}

    def way(key: Key) -> float:
        if key not in ahead:
            ahead[key] = hours(by_key[key].flops, tflops) + max(map(way, followers[key]), default=0.0)
        return ahead[key]

    ready = [(-way(key), key) for key, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    free, now, slots = list(range(devices)), 0.0, []
    running: list[tuple[float, int, Key]] = []
    while ready or running:
        while ready and free:
            _, key = heapq.heappop(ready)
            slot = Slot(by_key[key], heapq.heappop(free), now, now + hours(by_key[key].flops, tflops))
            slots.append(slot)
            heapq.heappush(running, (slot.end, slot.device, key))
        now, device, key = heapq.heappop(running)
        heapq.heappush(free, device)
        for follower in followers[key]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, (-way(follower), follower))
    critical: list[Key] = []
    choices = [key for key, job in by_key.items() if not any(need in by_key for need in job.needs)]
    while choices:
        critical.append(max(choices, key=way))
        choices = followers[critical[-1]]
    return Timeline(tuple(slots), tuple(critical))


def ledger_rate(config: Config, jobs: Iterable[Job]) -> float | None:
    """Median TFLOP/s in the ledgers of this preset's earlier runs; none if there are none."""
    rates: list[float] = []
    for job in jobs:
        ledger = config.layout.run(job.name, job.seed).ledger
        if ledger.is_file():
            lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines() if line]
            rates += [line["tflops"] for line in lines if "tflops" in line]
    return median(rates) if rates else None


def as_data(jobs: Sequence[Job], timeline: Timeline, devices: int, tflops: float) -> dict[str, Any]:
    """The plan as plain data: FLOPs, bytes and hours."""
    ends = {slot.job.key: slot for slot in timeline.slots}
    return {
        "devices": devices,
        "tflops": tflops,
        "flops": sum(job.flops for job in jobs),
        "device_hours": sum(hours(job.flops, tflops) for job in jobs),
        "makespan_hours": timeline.hours,
        "critical_path": [f"{name}/seed{seed}" for name, seed in timeline.critical],
        "disk": sum(job.disk for job in jobs),
        "disk_while_running": sum(sorted((job.checkpoints for job in jobs), reverse=True)[:devices]),
        "runs": [
            {
                "name": job.name,
                "seed": job.seed,
                "flops": job.flops,
                "hours": hours(job.flops, tflops),
                "memory": job.memory,
                "needs": [f"{name}/seed{seed}" for name, seed in job.needs],
                "tables": list(job.tables),
                "device": ends[job.key].device,
                "start": ends[job.key].start,
                "end": ends[job.key].end,
            }
            for job in jobs
        ],
    }


def draw_gantt(timeline: Timeline, file: Path) -> None:
    """A Gantt chart, one row a device; the critical path is outlined."""
    from matplotlib.figure import Figure

    from spsr.files import atomic_path

    names = list(dict.fromkeys(slot.job.name for slot in timeline.slots))
    devices = max((slot.device for slot in timeline.slots), default=0) + 1
    figure = Figure(figsize=(12, 1.2 + 0.45 * devices), layout="constrained")
    axes = figure.subplots()
    unit, label = (24, "days") if timeline.hours > 72 else (1, "hours")
    for slot in timeline.slots:
        critical = slot.job.key in timeline.critical
        start, length = slot.start / unit, (slot.end - slot.start) / unit
        axes.barh(
            slot.device,
            length,
            left=start,
            height=0.8,
            color=f"C{names.index(slot.job.name) % 10}",
            alpha=0.6,
            edgecolor="black" if critical else "white",
            linewidth=1.5 if critical else 0.5,
        )
        text = f"{slot.job.name} {slot.job.seed}"
        size = min(7.0, 1500 * length * unit / timeline.hours / len(text))
        if size > 3:
            axes.text(start + length / 2, slot.device, text, ha="center", va="center", fontsize=size)
    axes.set(xlabel=label, ylabel="device", yticks=range(devices), xlim=(0, None))
    axes.invert_yaxis()
    with atomic_path(file) as temporary:
        figure.savefig(temporary, dpi=150)
