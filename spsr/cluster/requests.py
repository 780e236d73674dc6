"""What jobs ask of a cluster: partition, GPUs, memory and time, from the site and the plan of a preset."""

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from spsr.cluster.site import Site
from spsr.config import Config
from spsr.config.run_folder import Amount
from spsr.errors import InputError
from spsr.files import read_json

Value = str | int


class PlannedRun(TypedDict):
    """What `plan.json` says of a training, as far as jobs need it: its hours, and bytes of a GPU."""

    name: str
    seed: int
    hours: Amount
    memory: Amount


class Plan(TypedDict):
    """What `plan.json` says, as far as others need it.

    Attributes:
        tflops: the rate that it counts with.
        rate: where that is from.
        disk, disk_while_running: bytes.
    """

    runs: list[PlannedRun]
    device_hours: Amount
    tflops: Amount
    rate: str
    disk: Amount
    disk_while_running: Amount


_PLAN = TypeAdapter(Plan)


class Named(Protocol):
    """What a rule knows of a job: the `name` of a method, extractor or table (Snakemake's wildcards)."""

    @property
    def name(self) -> str: ...


class NamedRun(Named, Protocol):
    """What a rule knows of a run: a name and a seed (Snakemake's wildcards)."""

    @property
    def seed(self) -> str: ...


def planned_minutes(config: Config) -> dict[str, float]:
    """Minutes of each training on one GPU, by name, as `plan.json` says; empty where there is no plan yet.

    A plan of other settings does no harm: a training that its job ends too early goes on in the next.
    """
    try:
        return {run["name"]: 60 * run["hours"] for run in read_plan(config)["runs"]}
    except InputError:
        return {}


def forecast(config: Config) -> str | None:
    """GPU time of all trainings in a line, or how to have it counted: for a dry run, which has no time to.

    None where it is under a minute: then nobody has to plan.
    """
    try:
        plan = read_plan(config)
    except InputError:
        return "Plan: GPU-hours and memory are not counted yet; the target `plan` does it in half a minute"
    hours, rate, source = plan["device_hours"], plan["tflops"], plan["rate"]
    if hours < 1 / 60:
        return None
    time = f"{hours:,.1f} GPU-hours" if hours >= 1 else f"{60 * hours:.0f} GPU-minutes"
    return f"Plan: {len(plan['runs'])} trainings, {time} at {rate:.3g} TFLOP/s ({source})"


def read_plan(config: Config) -> Plan:
    """The plan of a preset; `InputError` if there is none, or it is damaged."""
    return read_json(config.layout.root / "plan.json", _PLAN, "make it again with the target `plan`")


@dataclass(frozen=True)
class Requests:
    """Resources of the rules, in the words of Snakemake's Slurm executor.

    Attributes:
        config: the preset.
        site: the cluster.
        planned: minutes of each training on one GPU, by name; empty where there is no plan.
    """

    config: Config
    site: Site
    planned: dict[str, float] = field(default_factory=dict)

    @property
    def cpu(self) -> dict[str, Value]:
        """Where a job without a GPU runs."""
        return _given(slurm_partition=self.site.partition, slurm_account=self.site.account, qos=self.site.qos)

    @property
    def gpu(self) -> dict[str, Value]:
        """Where a job with one GPU runs, and how it asks for it."""
        return self._place() | self._gpus(1) | _given(cpus_per_task=self.site.cpus_per_gpu)

    @property
    def training(self) -> dict[str, Value]:
        """The same for a training, which may have several GPUs and nodes, or a part of a GPU."""
        site = self.site
        asked = self._place()
        if site.nodes > 1:
            # tasks_per_gpu=0 keeps the executor from adding --ntasks-per-gpu beside --ntasks.
            asked |= {"mpi": "srun", "nodes": site.nodes, "tasks": site.nodes, "tasks_per_gpu": 0}
            asked |= {"gres": self._gres("gpu", site.gpus_per_run)}
        elif site.runs_per_gpu > 1:
            asked |= {"gres": self._gres("shard", site.shards_per_run)}
        else:
            asked |= self._gpus(site.gpus_per_run)
        if site.gpus_per_run > 1 or site.cpus_per_gpu:
            threads = site.cpus_per_gpu or self.config.preset.compute.threads
            asked["cpus_per_task"] = threads * site.gpus_per_run
        return asked

    def training_memory(self, wildcards: NamedRun, attempt: int) -> int:
        """Host memory of a training on each node in MB; half as much again after every failed attempt."""
        return math.ceil(self.site.host_memory_mb * self.site.gpus_per_run * (1 + attempt) / 2)

    def training_minutes(self, wildcards: NamedRun) -> int:
        """Time limit of a training: half as much again as the plan says and the margin, at most a slot."""
        site, planned = self.site, self.planned.get(wildcards.name)
        if planned is None:
            return site.slot_minutes
        lasting = planned * site.runs_per_gpu / (site.gpus_per_run * site.nodes)
        return min(site.slot_minutes, math.ceil(1.5 * lasting + site.margin_minutes))

    def minutes(self, usual: int) -> Any:
        """Time limit of a job that cannot go on where it stopped: longer at every attempt, at most a slot."""
        return lambda wildcards, attempt: min(self.site.slot_minutes, usual * attempt)

    def _place(self) -> dict[str, Value]:
        partition = self.site.gpu_partition or self.site.partition
        return self.cpu | _given(slurm_partition=partition, constraint=self.site.constraint)

    def _gpus(self, count: int) -> dict[str, Value]:
        if self.site.gpu_request == "gres":
            return {"gres": self._gres("gpu", count)}
        return {"gpu": count} | _given(gpu_model=self.site.gpu_type)

    def _gres(self, kind: str, count: int) -> str:
        return ":".join(filter(None, (kind, self.site.gpu_type, str(count))))


def _given(**values: Value | None) -> dict[str, Value]:
    return {key: value for key, value in values.items() if value is not None}
