"""What a cluster calls its partitions, accounts and GPUs, and how long its jobs may be: `configs/site.yaml`."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from spsr.config.config import CONFIGS
from spsr.config.strict import Strict, suggestion, validate
from spsr.config.yaml_source import Source, value_of
from spsr.errors import InputError, naming

FILE = "SPSR_SITE"
PREFIX = "SPSR_SITE_"


class Site(Strict):
    """One cluster. An absent value leaves the choice to Slurm.

    Attributes:
        account, qos: of every job.
        partition: of CPU jobs.
        gpu_partition: of GPU jobs; `partition` if absent.
        constraint: node features that GPU jobs need.
        gpu_type: model of GPU, as Slurm names it.
        gpu_request: whether GPUs are asked for with `--gpus` or with `--gres`.
        gpu_memory_gib: memory of a GPU; if absent, nobody checks whether trainings fit.
        runs_per_gpu: trainings that share a GPU, in Slurm by its shards.
        shards_per_gpu: into how many shards the cluster divides a GPU; `runs_per_gpu` if absent.
        gpus_per_run: GPUs of one training on each of its nodes.
        nodes: nodes of one training.
        slot_minutes: time limit of the longest job.
        margin_minutes: a training ends itself this long before its limit.
        cpus_per_gpu: CPU cores for each GPU; the preset's threads if absent.
        host_memory_mb: memory of a training for each GPU.
    """

    account: str | None = None
    qos: str | None = None
    partition: str | None = None
    gpu_partition: str | None = None
    constraint: str | None = None
    gpu_type: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.]+$")
    gpu_request: Literal["gpus", "gres"] = "gpus"
    gpu_memory_gib: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    runs_per_gpu: int = Field(default=1, ge=1)
    shards_per_gpu: int | None = Field(default=None, ge=1)
    gpus_per_run: int = Field(default=1, ge=1)
    nodes: int = Field(default=1, ge=1)
    slot_minutes: int = Field(default=240, ge=1)
    margin_minutes: float = Field(default=10, ge=0)
    cpus_per_gpu: int | None = Field(default=None, ge=1)
    host_memory_mb: int = Field(default=24000, ge=500)

    @model_validator(mode="after")
    def _possible(self) -> "Site":
        if self.margin_minutes >= self.slot_minutes:
            raise ValueError(
                "margin_minutes must be less than slot_minutes; nothing of a job would be left for training"
            )
        if self.runs_per_gpu > 1 and self.distributed:
            raise ValueError(
                "runs_per_gpu: a training on several GPUs shares none; set it to 1, or gpus_per_run and nodes"
            )
        if self.shards_per_run < 1:
            raise ValueError("shards_per_gpu must be at least runs_per_gpu; every training takes a shard")
        return self

    @property
    def shards_per_run(self) -> int:
        """Shards of a GPU that one of the trainings that share it asks for."""
        return (self.shards_per_gpu or self.runs_per_gpu) // self.runs_per_gpu

    @property
    def distributed(self) -> bool:
        """Whether one training is several processes."""
        return self.gpus_per_run * self.nodes > 1


def load_site() -> Site:
    """The site of `SPSR_SITE` or else of `configs/site.yaml`, with `SPSR_SITE_<KEY>` in the environment on top.

    Anything wrong is an `InputError` that names the file and line, or the variable.
    """
    source = Source(Path(os.environ.get(FILE, CONFIGS / "site.yaml")))
    given = {key: value for key, value in source.data.items() if value is not None}
    validate(Site, given, source)
    return Site.model_validate(given | _from_environment(source, given))


def _from_environment(source: Source, given: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for variable in sorted(os.environ):
        if not variable.startswith(PREFIX):
            continue
        key = variable.removeprefix(PREFIX).lower()
        if key not in Site.model_fields:
            raise InputError(f"{variable}: there is no such setting of the site{suggestion(key, Site.model_fields)}")
        text = os.environ[variable]
        is_number = Site.model_fields[key].annotation in (int, float, int | None, float | None)
        with naming(variable):
            value = (value_of(text) if is_number else text) if text else None
        try:
            validate(Site, given | changed | {key: value}, source)
        except InputError as error:
            reason = str(error).split(": ", 1)[1].removeprefix(": ")
            raise InputError(f"{variable}={text}: {reason}") from error
        changed[key] = value
    return changed
