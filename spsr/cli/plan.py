"""`spsr plan`."""

import json as formats
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from spsr.cli.options import Configfile, Set, configured
from spsr.cli.terminal import terminal
from spsr.cluster.crowding import crowding
from spsr.cluster.site import load_site
from spsr.config import Config, load
from spsr.errors import InputError
from spsr.files import check_outputs
from spsr.pipeline import Pipeline
from spsr.planning.gantt import draw_gantt
from spsr.planning.jobs import Job, ledger_rate, list_jobs, of_table
from spsr.planning.rehearsal import sustained_tflops
from spsr.planning.timeline import Timeline, as_data, hours, schedule_jobs
from spsr.progress import duration
from spsr.training.process import set_up

ASSUMED_TFLOPS = {"fp32": 75.0, "bf16": 200.0}
"""Of a step of SPSR-G on an H200, estimated and never measured: with TF32 as it is, and in bf16 with captured steps."""


def plan(
    configfile: Configfile = None,
    changes: Set = None,
    gpus: Annotated[int, typer.Option("--gpus", min=1, help="Devices, with one training at a time on each.")] = 1,
    rate: Annotated[
        float | None, typer.Option("--rate", min=1e-6, help="TFLOP/s that a device sustains.", show_default=False)
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Measure the rate on this machine for a minute.")] = False,
    table: Annotated[
        str | None, typer.Option("--table", help="Only what this table takes.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    gantt: Annotated[
        Path | None, typer.Option("--gantt", help="Draw a Gantt chart to a .png or .svg file.", show_default=False)
    ] = None,
) -> None:
    """What a preset will cost before anything is launched: runs, FLOPs, hours, memory, disk, and time on N GPUs.

    A method whose own code fails is named and left out; the plan of all others ends with exit code 0.

    The rate is the one given, or measured, or the median in the ledgers of earlier runs, or assumed.
    """
    config = configured(configfile, changes)
    if rate is not None and not math.isfinite(rate):
        raise InputError(f"--rate: {rate} is no rate; give a finite number of TFLOP/s")
    if table is not None:
        config.table(table)
        if table not in config.preset.tables:
            raise InputError(f"{config.path}: table '{table}' is not among the preset's tables; add it there")
    if gantt is not None and gantt.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"{gantt}: a Gantt chart is a .png, .svg or .pdf file; choose one of these endings")
    check_outputs({"--gantt": gantt}, [config.path])
    errors = terminal(stderr=True)
    with errors.status("Counting FLOPs and memory of every distinct training step"):
        broken: dict[str, str] = {}
        every = list_jobs(config, Pipeline(config).trained, Pipeline(config).pretrained, broken)
    for name, said in broken.items():
        errors.print(f"warning: {name} is not counted: {said}", soft_wrap=True, highlight=False)
    jobs = every if table is None else of_table(every, table)
    if not jobs:
        raise InputError(f"{config.path}: nothing is trained here; there is nothing to plan")
    source = "given"
    if rate is None and probe:
        with errors.status("Measuring the rate of a training step for a minute"):
            rate = _measured(config, max(jobs, key=lambda job: job.flops if job.name in config.methods else 0))
        source = "measured"
    if rate is None:
        preset = load(configfile) if changes else config
        measured = preset if preset.preset.compute == config.preset.compute else config
        rate, source = ledger_rate(measured, every), "from the ledgers of earlier runs"
    if rate is None:
        rate, source = _assumed(config, jobs)
    timeline = schedule_jobs(jobs, gpus, rate)
    data = as_data(jobs, timeline, gpus, rate)
    if json:
        print(formats.dumps(data | {"rate": source}, indent=1))
    else:
        _show(terminal(), config, jobs, timeline, data, gpus, rate, source, table)
    if (crowded := crowding(config, load_site(), data["runs"])) is not None:
        errors.print(crowded, style="yellow", soft_wrap=True)
    if gantt is not None:
        draw_gantt(timeline, gantt)
        errors.print(f"{gantt}")


def _assumed(config: Config, jobs: Sequence[Job]) -> tuple[float, str]:
    """The rate of the preset's precision, and a word on what the other one would cost."""
    precision = config.preset.compute.precision
    (other,) = ASSUMED_TFLOPS.keys() - {precision}
    cost = hours(sum(job.flops for job in jobs), ASSUMED_TFLOPS[other])
    return ASSUMED_TFLOPS[precision], (
        f"assumed for {precision} on an H200; {other}: {_gpu_time(cost)} at {ASSUMED_TFLOPS[other]:.3g}; "
        "measure it with --probe or give --rate"
    )


def _measured(config: Config, job: Job) -> float:
    return sustained_tflops(config, job.name, set_up(config.preset.compute, 0), 60)


def _gpu_time(hours: float) -> str:
    return f"{hours:.3g} GPU-hours" if hours >= 0.1 else f"{duration(3600 * hours)} of a GPU"


def _flops(flops: float) -> str:
    for unit, size in (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12)):
        if flops >= size:
            return f"{flops / size:.3g} {unit}"
    return f"{flops / 1e9:.3g} GFLOP"


def _bytes(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def _show(
    console: Console,
    config: Config,
    jobs: list[Job],
    timeline: Timeline,
    data: Mapping[str, Any],
    gpus: int,
    rate: float,
    source: str,
    table: str | None,
) -> None:
    runs = Table(title=f"Trainings of {config.path}" + (f" for {table}" if table else ""), title_justify="left")
    for column in ("name", "seeds", "FLOPs each", "time each", "memory", "after", "tables"):
        runs.add_column(column, justify="left" if column in ("name", "after", "tables") else "right", overflow="fold")
    for job in {job.name: job for job in jobs}.values():
        runs.add_row(
            job.name,
            str(sum(other.name == job.name for other in jobs)),
            _flops(job.flops),
            duration(3600 * hours(job.flops, rate)),
            _bytes(job.memory),
            ", ".join(name for name, _ in job.needs),
            " ".join(name.removeprefix("table") for name in job.tables),
        )
    console.print(runs)
    if table is None:
        totals = Table(title="Each table alone", title_justify="left")
        for column in ("table", "runs", "FLOPs", "GPU-hours", f"on {gpus} GPU{'s' * (gpus > 1)}"):
            totals.add_column(column, justify="left" if column == "table" else "right")
        for name in config.preset.tables:
            own = of_table(jobs, name)
            work = sum(job.flops for job in own)
            alone = schedule_jobs(own, gpus, rate).hours
            totals.add_row(name, str(len(own)), _flops(work), f"{hours(work, rate):.3g}", duration(3600 * alone))
        console.print(totals)
    chain = " → ".join(name for name, _ in timeline.critical)
    console.print(
        f"{len(jobs)} trainings, {_flops(data['flops'])}, {_gpu_time(data['device_hours'])} at "
        f"{rate:.3g} TFLOP/s ({source})\n"
        f"on {gpus} GPU{'s' * (gpus > 1)}: {duration(3600 * timeline.hours)}; critical path: {chain}\n"
        f"disk: {_bytes(data['disk'])} when finished, and up to {_bytes(data['disk_while_running'])} of checkpoints\n"
        "Memory is what parameters, Adam and autograd hold. Evaluation and probes are not counted.",
        soft_wrap=not console.is_terminal,
        highlight=False,
    )
